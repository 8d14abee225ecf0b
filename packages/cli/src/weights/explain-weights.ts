import { ChainErrorCode } from "@assay/chain/chain-error";
import type { RecordedEvent } from "@assay/ledger/events";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { type Operator, operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { type Problem, problemLine, problemOf } from "../operator/problem.ts";
import { withLedger } from "../operator/with-ledger.ts";
import { weightObstacles } from "./obstacles.ts";
import { readPlan } from "./weight-plan.ts";
import { readWeightStanding, standingLine, type WeightStanding } from "./weight-standing.ts";

/** Of all events, those of these kinds are about weights. */
const WEIGHT_EVENT = /^weights_/;
const SEARCHED_EVENTS = 10_000;
const SHOWN_EVENTS = 5;

/** `assay weights why`: what the validator recorded, and what the chain would say now. The first needs no chain. */
export async function explainWeights(
  { options }: CommandInput,
  { env, signal }: CommandContext,
): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const shown = options.wholeNumber("events", { minimum: 0, maximum: SEARCHED_EVENTS }) ?? SHOWN_EVENTS;
  return await withLedger(operator.ledgerPath, async (ledger) => {
    const intent = await ledger.intents.latest();
    const events = (await ledger.events.recent(SEARCHED_EVENTS))
      .filter(({ kind }) => WEIGHT_EVENT.test(kind))
      .slice(0, shown);
    const { standing, obstacles } = await askChain(ledger, operator, {
      hotkey: () => ownHotkey(options, operator),
      signal,
    });
    const isVerified = intent?.state === "verified";
    return {
      json: { intent, verified: isVerified, standing, obstacles, events },
      text: render({ intent, standing, obstacles, events }),
      exitCode: isVerified && obstacles.every(isOnlyEarly) ? 0 : 1,
    };
  });
}

/** Waiting for the rate limit after verified weights is what a healthy validator does. */
function isOnlyEarly({ code }: Problem): boolean {
  return code === ChainErrorCode.RateLimited;
}

async function askChain(
  ledger: Ledger,
  operator: Operator,
  { hotkey, signal }: { readonly hotkey: () => Promise<string>; readonly signal: AbortSignal },
): Promise<{ readonly standing: WeightStanding | null; readonly obstacles: readonly Problem[] }> {
  try {
    const address = await hotkey();
    return await withChain(operator, signal, async (chain) => {
      const { standing, snapshot } = await readWeightStanding(chain, operator.netuid, address);
      const { weights } = await readPlan(ledger, snapshot);
      return { standing, obstacles: weightObstacles(weights, standing, snapshot) };
    });
  } catch (error) {
    signal.throwIfAborted();
    return { standing: null, obstacles: [problemOf(error)] };
  }
}

interface Explanation {
  readonly intent: WeightIntent | null;
  readonly standing: WeightStanding | null;
  readonly obstacles: readonly Problem[];
  readonly events: readonly RecordedEvent[];
}

function render({ intent, standing, obstacles, events }: Explanation): string {
  return [
    intent === null ? "The ledger holds no weights: no round was closed with a positive score\n" : intentLine(intent),
    standing === null ? "" : `${standingLine(standing)}\n`,
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
    events.length === 0 ? "" : "Recorded, newest first:\n",
    ...events.map(eventLine),
  ].join("");
}

function intentLine({
  roundId,
  state,
  error,
  block,
  deadlineBlock,
  plannedBlock,
  extrinsicHash,
}: WeightIntent): string {
  const facts = [
    `planned at block ${plannedBlock}`,
    ...(block === null ? [`deadline block ${deadlineBlock}`] : [`in block ${block}`]),
    ...(extrinsicHash === null ? [] : [`extrinsic ${extrinsicHash}`]),
    ...(error === null ? [] : [`reason ${error}`]),
  ];
  return `Weights after round ${roundId} are ${state}: ${facts.join(", ")}\n`;
}

function eventLine({ at, kind, block, fields }: RecordedEvent): string {
  const facts = Object.entries(fields).map(([key, value]) => `${key}: ${value}`);
  return `  ${[new Date(at).toISOString(), kind, `block: ${block ?? "?"}`, ...facts].join(" | ")}\n`;
}
