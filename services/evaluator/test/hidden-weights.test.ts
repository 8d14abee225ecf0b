import { describe, expect, test } from "vitest";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { eventually, openQueues, type Queues, useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { metric, NETUID, never, openStage, type Stage, VALIDATOR_UID } from "./stage.ts";

useRedis();

/** Epochs of 20 blocks from block 1 on: the second begins with 21, the third with 41, the fourth with 61. */
const TEMPO = 20;
const INTENT = "2-31";
const STORED = [
  [1, 65_535],
  [2, 32_768],
];

interface Office extends Stage {
  readonly queues: Queues;
  /** One look of the duty at the newest block. */
  look(): Promise<void>;
  /** A new duty, as after a restart. */
  restart(): void;
}

/** A subnet that hides weights, and a validator with a closed round and its weights planned at block 2. */
async function openOffice(way: "timelocked" | "hashed" = "timelocked"): Promise<Office> {
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

const job = (intentId = INTENT) => ({ id: `weights-${intentId}`, payload: { intentId, deadlineBlock: 0 }, attempt: 1 });
const processorOf = ({ client, ledger, metrics, logger }: Stage) =>
  createWeightProcessor({ chain: client, ledger, metrics, logger });
const stateOf = async ({ ledger }: Stage, id = INTENT) => (await ledger.intents.get(id))?.state;
const shown = ({ client }: Stage) => client.weights(NETUID, VALIDATOR_UID);

/** Runs an intent's job, building a block whenever it waits for one. */
async function runJob(office: Office, id = INTENT) {
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
async function lookUntil(office: Office, block: number): Promise<void> {
  while (office.chain.head.number < block) {
    office.chain.buildBlock();
    await office.look();
  }
}

describe("time-locked weights", () => {
  test("are committed, then shown by the chain, then verified", async () => {
    const office = await openOffice();
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    const intent = await office.ledger.intents.get(INTENT);
    expect(office.logger.lines()).toEqual([
      `[INFO] Committed weights | block: ${intent?.block} | tx: ${intent?.extrinsicHash} | round: 31 | reveal_epoch: 1`,
    ]);
    await lookUntil(office, 22);
    expect(await stateOf(office)).toBe("committed");
    expect(await shown(office)).toEqual([]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);

    await lookUntil(office, 30);
    expect(await shown(office)).toEqual(STORED);
    expect(await stateOf(office)).toBe("verified");
    expect(await metric(office, "chain_set_weights_success")).toBe(1);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
    expect(office.logger.lines().at(-1)).toContain("[INFO] set_weights() confirmed | block: ");
    expect(office.chain.calls).toBe(1);
  });

  test("are never committed with an epoch's last blocks", async () => {
    const office = await openOffice();
    office.chain.buildUntil(18);
    await runJob(office);
    expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ epoch: 1, revealEpoch: 2, sentBlock: 21 });
  });

  test("that the chain drops raise an alarm and are committed again, once", async () => {
    const office = await openOffice();
    await runJob(office);
    office.chain.change((subnet) => ({ ...subnet, commits: [] }));
    await lookUntil(office, office.chain.head.number + 3);
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "reveal_lost" });
    expect(office.logger.lines().filter((line) => line.startsWith("[ERROR]"))).toEqual([
      expect.stringContaining("Committed weights were not revealed; they are set again | round: 31"),
    ]);
    expect(await metric(office, "chain_set_weights_total", { result: "reveal_lost" })).toBe(1);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", fields: { roundId: 31, reason: "reveal_lost" } },
    ]);

    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-31-r1"]);
    expect(await runJob(office, "2-31-r1")).toEqual({ intentId: "2-31-r1", state: "committed" });
    await lookUntil(office, 30);
    expect(await stateOf(office, "2-31-r1")).toBe("verified");
    expect(await shown(office)).toEqual(STORED);
    expect(office.chain.calls).toBe(2);
  });

  test("that newer ones overtake before anybody looked are no loss", async () => {
    const office = await openOffice();
    await runJob(office);
    const { id } = await saveRound(office, 1);
    const states = [{ uid: 3, hotkey: office.miner(3).hotkey, ema: 0.5, points: 1, lastRound: id }];
    await office.ledger.scores.closeRound(id, { states, rows: [] });
    await office.look();
    const newer = (await office.ledger.intents.latest())?.id ?? "";
    await runJob(office, newer);
    office.chain.buildUntil(30);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "superseded" });
    expect(await stateOf(office, newer)).toBe("verified");
    expect(office.logger.lines().some((line) => line.startsWith("[ERROR]"))).toBe(false);
  });
});

describe("a process that is killed", () => {
  /** Runs the job up to the first state of its submission, then ends it as a kill would: nothing more is written. */
  async function killWhenSigned(office: Office): Promise<void> {
    const killed = new AbortController();
    const sending = processorOf(office)(job(), killed.signal);
    await eventually(async () => expect(await stateOf(office)).toBe("signed"));
    office.chain.buildBlock();
    killed.abort(new Error("killed"));
    await expect(sending).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });
    office.restart();
  }

  test("after sending finds its commit on chain and sends no other", async () => {
    const office = await openOffice();
    await killWhenSigned(office);
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    await lookUntil(office, 30);
    expect(await stateOf(office)).toBe("verified");
    expect(office.chain.calls).toBe(1);
  });

  test("for so long that its commit is shown already sends no other either", async () => {
    const office = await openOffice();
    await killWhenSigned(office);
    office.chain.buildUntil(30);
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    await office.look();
    expect(await stateOf(office)).toBe("verified");
    expect(office.chain.calls).toBe(1);
  });

  test("between the note and the sending waits until no block can have it, then commits anew", async () => {
    const office = await openOffice();
    const note = { intentId: INTENT, way: "timelocked", hash: `0x${"ab".repeat(32)}`, salt: [] } as const;
    await office.ledger.reveals.record({ ...note, epoch: 0, revealEpoch: 1, sentBlock: 2, deadlineBlock: 10 });
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ attempt: 2, state: "landed", sentBlock: 12 });
    expect(office.chain.calls).toBe(1);
  });

  test("between the repair's plan and the end of the lost intent plans no second repair", async () => {
    const office = await openOffice();
    await runJob(office);
    const lost = await office.ledger.intents.get(INTENT);
    if (lost === null) throw new Error("There is no intent");
    const { state: _state, block: _block, extrinsicHash: _hash, error: _error, ...plan } = lost;
    await office.ledger.intents.plan({ ...plan, id: "2-31-r1" });
    office.chain.change((subnet) => ({ ...subnet, commits: [] }));
    await lookUntil(office, office.chain.head.number + 3);
    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-31-r1"]);
    expect(await stateOf(office)).toBe("failed");
  });
});

test("a commit that no block of its epoch takes is made anew in the next", async () => {
  const office = await openOffice();
  office.chain.setIncluding(false);
  const running = processorOf(office)(job(), never);
  await eventually(async () => expect(await stateOf(office)).toBe("signed"));
  office.chain.buildUntil(22);
  office.chain.setIncluding(true);
  await eventually(async () => {
    office.chain.buildBlock();
    expect(await stateOf(office)).toBe("committed");
  });
  await running;
  expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ attempt: 2, epoch: 1, state: "landed" });
});

describe("weights committed by hash", () => {
  test("are shown by us in the epoch after, with the salt of the ledger, and verified", async () => {
    const office = await openOffice("hashed");
    await office.queues.work("weights", processorOf(office));
    await eventually(async () => {
      office.chain.buildBlock();
      expect(await stateOf(office)).toBe("committed");
    });
    const commit = await office.ledger.reveals.latest(INTENT);
    expect(commit?.salt).toHaveLength(8);
    office.restart();
    office.chain.buildUntil((commit?.revealEpoch ?? 0) * TEMPO + 3);
    await eventually(async () => {
      office.chain.buildBlock();
      await office.look();
      expect(await stateOf(office)).toBe("verified");
    });
    expect(await shown(office)).toEqual(STORED);
    expect(office.chain.calls).toBe(2);
  });

  test("whose epoch of reveal passed are lost and committed again", async () => {
    const office = await openOffice("hashed");
    await runJob(office);
    office.chain.buildUntil(44);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "reveal_lost" });
    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-31-r1"]);
  });
});
