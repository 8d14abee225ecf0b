import { weightObstacleOf } from "@assay/chain/weight-obstacle";
import { WEIGHT_OBSTACLES, type WeightObstacle } from "@assay/core/weights/obstacles";
import type { Ledger } from "@assay/ledger/ledger";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { type Operator, operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { problemOf } from "../operator/problem.ts";
import { withLedger } from "../operator/with-ledger.ts";
import { planObstacles } from "./read-plan-now.ts";
import { type Explanation, renderExplanation } from "./render-explanation.ts";
import { readStop, stopObstacles } from "./stop-weights.ts";
import { readPlan } from "./weight-plan.ts";
import { weightProblems } from "./weight-problems.ts";
import { readChainStanding, windowStanding } from "./weight-standing.ts";

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
  const stop = await readStop(operator);
  return await withLedger(operator.ledgerPath, async (ledger) => {
    const recorded = await readRecord(ledger, shown);
    const asked = await askChain(ledger, operator, { hotkey: () => ownHotkey(options, operator), signal });
    const obstacles = [...weightProblems(stopObstacles(stop)), ...asked.obstacles];
    const explanation: Explanation = { ...recorded, ...asked, stop, obstacles };
    return {
      json: explanation,
      text: renderExplanation(explanation),
      exitCode: isHealthy(explanation) ? 0 : 1,
    };
  });
}

/** Weights on their way, or none before the rate limit's end, are what a healthy validator has after verified ones. */
function isHealthy({ verified, intent, none, obstacles }: Explanation): boolean {
  const isOnly = (code: string) => code === ("rate_limited" satisfies WeightObstacle["code"]);
  const isInTheWay = (intent?.reason ?? none?.reason ?? null) !== null;
  return verified && !isInTheWay && obstacles.every(({ code }) => isOnly(code));
}

async function readRecord({ intents, events }: Ledger, shown: number) {
  const intent = await intents.latest();
  const dry = await intents.latestDryRun();
  const isNewer = dry !== null && dry.plannedBlock >= (intent?.plannedBlock ?? 0);
  return {
    intent,
    steps: intent === null ? [] : await intents.steps(intent.id),
    verified: (await intents.latestResult())?.state === "verified",
    dryRun: isNewer ? dry : null,
    events: (await events.recent(SEARCHED_EVENTS)).filter(({ kind }) => WEIGHT_EVENT.test(kind)).slice(0, shown),
  };
}

async function askChain(
  ledger: Ledger,
  operator: Operator,
  { hotkey, signal }: { readonly hotkey: () => Promise<string>; readonly signal: AbortSignal },
): Promise<Pick<Explanation, "standing" | "window" | "none" | "obstacles">> {
  try {
    const address = await hotkey();
    return await withChain(operator, signal, async (client) => {
      const chain = await readChainStanding(client, operator.netuid, address);
      const plan = await readPlan(ledger, client, chain.snapshot, { operator, hotkey: address });
      const obstacles = weightProblems(planObstacles(plan, chain));
      return { standing: chain.standing, window: windowStanding(chain), none: plan.none, obstacles };
    });
  } catch (error) {
    signal.throwIfAborted();
    const obstacle = weightObstacleOf(error);
    const problem = obstacle === null ? problemOf(error) : { ...obstacle, message: WEIGHT_OBSTACLES[obstacle.code] };
    return { standing: null, window: null, none: null, obstacles: [problem] };
  }
}
