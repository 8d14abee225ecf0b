import type { WeightStop } from "@assay/checkpoint/weight-stop";
import type { RecordedEvent } from "@assay/ledger/events";
import type { IntentStep, WeightIntent } from "@assay/ledger/weight-intent";
import { type Problem, problemLine } from "../operator/problem.ts";
import { noPlanWords } from "./read-plan-now.ts";
import { stopLine } from "./stop-weights.ts";
import type { WeightPlan } from "./weight-plan.ts";
import { standingLine, type WeightStanding, type WindowStanding, windowLine } from "./weight-standing.ts";

/** Why weights are on chain or not. */
export interface Explanation {
  /** The weights meant last. */
  readonly intent: WeightIntent | null;
  /** Its way so far, oldest first. */
  readonly steps: readonly IntentStep[];
  /** Whether the newest weights that came to an end are on chain as they were meant. */
  readonly verified: boolean;
  /** The newest dry run, where it is newer than the weights meant last. */
  readonly dryRun: WeightIntent | null;
  readonly stop: WeightStop | null;
  /** Null, and a problem says why, when the chain was not to be asked. */
  readonly standing: WeightStanding | null;
  readonly window: WindowStanding | null;
  /** Why nothing would be planned now; null where something would, or nobody could be asked. */
  readonly none: WeightPlan["none"];
  readonly obstacles: readonly Problem[];
  readonly events: readonly RecordedEvent[];
}

export function renderExplanation(explanation: Explanation): string {
  const { intent, steps, dryRun, stop, standing, window, none, obstacles, events } = explanation;
  return [
    stopLine(stop),
    intent === null ? "The ledger holds no weights: no round was closed with a positive score\n" : intentLine(intent),
    ...steps.map(stepLine),
    dryRun === null ? "" : `Dry run at block ${dryRun.plannedBlock}: ${dryRun.uids.length} weights, never to be sent\n`,
    standing === null ? "" : `${standingLine(standing)}\n`,
    window === null ? "" : `${windowLine(window)}\n`,
    none === null ? "" : `Nothing to set now: ${noPlanWords(none)}\n`,
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
    events.length === 0 ? "" : "Recorded, newest first:\n",
    ...events.map(eventLine),
  ].join("");
}

function intentLine(intent: WeightIntent): string {
  const { tempo, roundId, state, reason, block, deadlineBlock, plannedBlock, extrinsicHash, origin } = intent;
  const place = tempo === null ? "" : ` for tempo ${tempo}`;
  const facts = [
    `planned at block ${plannedBlock} from ${origin}`,
    ...(block === null ? [`deadline block ${deadlineBlock}`] : [`in block ${block}`]),
    ...(extrinsicHash === null ? [] : [`extrinsic ${extrinsicHash}`]),
    ...(reason === null ? [] : [`reason ${reason}`]),
  ];
  return `Weights after round ${roundId}${place} are ${state}: ${facts.join(", ")}\n`;
}

function stepLine({ at, state, reason, block, extrinsicHash, specVersion }: IntentStep): string {
  const facts = [
    ...(reason === null ? [] : [`reason: ${reason}`]),
    ...(block === null ? [] : [`block: ${block}`]),
    ...(extrinsicHash === null ? [] : [`extrinsic: ${extrinsicHash}`]),
    ...(specVersion === null ? [] : [`spec: ${specVersion}`]),
  ];
  return `  ${[new Date(at).toISOString(), state, ...facts].join(" | ")}\n`;
}

function eventLine({ at, kind, block, fields }: RecordedEvent): string {
  const facts = Object.entries(fields).map(([key, value]) => `${key}: ${value}`);
  return `  ${[new Date(at).toISOString(), kind, `block: ${block ?? "?"}`, ...facts].join(" | ")}\n`;
}
