import { expect } from "vitest";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { eventually, openQueues, type Queues } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { NETUID, never, openStage, type Stage, VALIDATOR_UID } from "./stage.ts";

/** Epochs of 20 blocks from block 1 on: the second begins with 21, the third with 41, the fourth with 61. */
export const TEMPO = 20;
export const INTENT = "2-31";
/** What the chain shows of the planned weights. */
export const STORED: readonly (readonly [number, number])[] = [
  [1, 65_535],
  [2, 32_768],
];

export interface Office extends Stage {
  readonly queues: Queues;
  /** One look of the duty at the newest block. */
  look(): Promise<void>;
  /** A new duty, as after a restart. */
  restart(): void;
}

/** A subnet that hides weights, and a validator with a closed round and its weights planned at block 2. */
export async function openOffice(way: "timelocked" | "hashed" = "timelocked"): Promise<Office> {
  const stage = await openStage({ hyperparameters: { tempo: TEMPO, weightsRateLimit: 4, commitRevealEnabled: true } });
  if (way === "hashed") stage.chain.setCommitRevealVersion(3);
  stage.chain.buildBlock();
  const queues = await openQueues();
  const newDuty = () => {
    const { client, ledger, metrics, logger, network } = stage;
    const components = { chain: client, ledger, weights: queues.board("weights"), metrics, logger };
    return new WeightDuty(components, { netuid: NETUID, network });
  };
  let duty = newDuty();
  const office: Office = {
    ...stage,
    queues,
    look: () => duty.run(stage.client.head()),
    restart: () => {
      duty = newDuty();
    },
  };
  const { id } = await saveRound(stage, 0);
  const states = [0.2, 0.1].map((ema, index) => {
    return { uid: index + 1, hotkey: stage.miner(index + 1).hotkey, ema, points: 1, lastRound: id };
  });
  await stage.ledger.scores.closeRound(id, { states, rows: [] });
  await office.look();
  return office;
}

/** The job of an intent, as a worker gets it. */
export const job = (intentId = INTENT) => ({
  id: `weights-${intentId}`,
  payload: { intentId, deadlineBlock: 0 },
  attempt: 1,
});
export const processorOf = ({ client, ledger, metrics, logger }: Stage) =>
  createWeightProcessor({ chain: client, ledger, metrics, logger });
export const stateOf = async ({ ledger }: Stage, id = INTENT) => (await ledger.intents.get(id))?.state;
export const shown = ({ client }: Stage) => client.weights(NETUID, VALIDATOR_UID);

/** Runs an intent's job, building a block whenever it waits for one. */
export async function runJob(office: Office, id = INTENT) {
  const running = { ended: false };
  const outcome = processorOf(office)(job(id), never).finally(() => {
    running.ended = true;
  });
  outcome.catch(() => undefined);
  await eventually(() => {
    if (!running.ended) office.chain.buildBlock();
    expect(running.ended).toBe(true);
  });
  return await outcome;
}

/** Builds up to a block, with the duty looking at each. */
export async function lookUntil(office: Office, block: number): Promise<void> {
  while (office.chain.head.number < block) {
    office.chain.buildBlock();
    await office.look();
  }
}
