import type { WeightPlan } from "@assay/ledger/weight-intent";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { eventually, openQueues, type Queues } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { NETUID, never, openStage, type Stage, type StageOptions } from "./stage.ts";

/** A validator's weights on a subnet in memory. */
export interface WeightOffice extends Stage {
  readonly queues: Queues;
  /** One look of the duty at the newest block. */
  look(): Promise<void>;
  /** A new duty, as after a restart. */
  restart(parts?: { readonly dryRun?: boolean; readonly netuid?: number }): void;
}

/** Tempos of 20 blocks, the first from block 1 on, unless told otherwise; the rate limit is 10. */
export async function openWeightOffice(options: StageOptions = {}): Promise<WeightOffice> {
  const stage = await openStage({ ...options, hyperparameters: { tempo: 20, ...options.hyperparameters } });
  const queues = await openQueues();
  const newDuty = ({ dryRun = false, netuid = NETUID } = {}) => {
    const { client, ledger, layout, metrics, logger, network } = stage;
    const components = { chain: client, ledger, layout, metrics, logger };
    return new WeightDuty({ ...components, weights: queues.board("weights") }, { netuid, network, dryRun });
  };
  let duty = newDuty();
  return {
    ...stage,
    queues,
    look: () => duty.run(stage.client.head()),
    restart: (parts) => {
      duty = newDuty(parts);
    },
  };
}

export function processorOf({ client, ledger, layout, metrics, logger }: Stage, { dryRun = false } = {}) {
  return createWeightProcessor({ chain: client, ledger, layout, metrics, logger }, { dryRun });
}

/** The job of an intent, as a worker gets it. */
export function job(intentId: string) {
  return { id: `weights-${intentId}`, payload: { intentId, deadlineBlock: 0 }, attempt: 1 };
}

/** Saves and closes the round of a cycle with these standings, which the miners also earned in it. */
export async function closeRound(
  stage: Pick<Stage, "ledger" | "miner">,
  cycle: number,
  emas: Readonly<Record<number, number>>,
): Promise<void> {
  const { id } = await saveRound(stage, cycle);
  const owned = Object.entries(emas).map(([uid, ema]) => {
    return { uid: Number(uid), hotkey: stage.miner(Number(uid)).hotkey, ema };
  });
  await stage.ledger.scores.closeRound(id, {
    states: owned.map((each) => ({ ...each, points: 1, lastRound: id })),
    rows: owned.map(({ ema, ...each }) => ({ ...each, w: ema, reason: null, lossBefore: null, lossAfter: null })),
  });
}

/** Round 31's weights for the tempo of block 1. */
export function weightPlan(stage: Pick<Stage, "miner">, parts: Partial<WeightPlan> = {}): WeightPlan {
  return {
    id: "2-0-0",
    netuid: NETUID,
    mechanism: 0,
    tempo: 0,
    attempt: 0,
    roundId: 31,
    uids: [1, 2],
    weights: [65_535, 32_768],
    hotkeys: [stage.miner(1).hotkey, stage.miner(2).hotkey],
    origin: "scores",
    versionKey: 0n,
    firstBlock: 1,
    plannedBlock: 1,
    deadlineBlock: 20,
    ...parts,
  };
}

/** Writes an intent of round 31 as if it had been planned. */
export async function intend(stage: Stage, parts: Partial<WeightPlan> = {}): Promise<string> {
  const plan = weightPlan(stage, parts);
  await saveRound(stage, 0);
  await stage.ledger.intents.plan(plan);
  return plan.id;
}

/** Runs an intent's job, building a block whenever it waits for one. */
export async function runJob(office: Stage, intentId: string) {
  const running = { ended: false };
  const outcome = processorOf(office)(job(intentId), never).finally(() => {
    running.ended = true;
  });
  outcome.catch(() => undefined);
  await eventually(() => {
    if (!running.ended) office.chain.buildBlock();
    if (!running.ended) throw new Error("The job still runs");
  });
  return await outcome;
}

/** Builds a block and looks at it, again and again until it holds. */
export async function lookUntil(office: WeightOffice, check: () => Promise<void> | void): Promise<void> {
  await eventually(async () => {
    office.chain.buildBlock();
    await office.look();
    await check();
  });
}
