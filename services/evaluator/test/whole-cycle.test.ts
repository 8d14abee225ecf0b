import { readFile } from "node:fs/promises";
import { verifySignature } from "@assay/chain/verify-signature";
import { cyclesWithDigests } from "@assay/checkpoint/digest-cycles";
import { parseCommitment } from "@assay/core/commitment/payload";
import { NINE_PHASE_45, phaseWindow } from "@assay/core/cycle/phase";
import { areDigestsOf, readCycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import { committedRoot } from "@assay/core/receipts/bundle";
import { verifyBundle } from "@assay/core/receipts/verify-bundle";
import { HEAD } from "@assay/evaluation/model/names";
import { changedTensors, randomTensors, TINY_CONFIG, type TinyTensor } from "@assay/testing/model/tiny-model";
import { expect, onTestFinished, test } from "vitest";
import { eventually, openQueues, type Queues, useRedis } from "./queues.ts";
import { type RunningValidator, startValidator } from "./running-validator.ts";
import { metric, NETUID, openStage, type Stage, type StageOptions, VALIDATOR_UID } from "./stage.ts";
import { playCommits, push, writeCheckpoint } from "./submissions.ts";

useRedis();

/** Longer phases after Submission, so that finality fits in. Submission 31–33, merge 37–42, commits 43–52, 53–62. */
const schedule = { ...NINE_PHASE_45, merge: 6, validatorCommit1: 10, validatorCommit2: 10 };

/** Time enough for everything to be asked on one block before the next one comes. */
const TRIES_PER_BLOCK = 8;

/** Called where a validator may be killed. */
type Interrupt = (stage: Stage) => Promise<void>;

/** Miner 1 and 2 push the same group in opposite directions, miner 3 commits and stays silent. */
async function playCycle(stage: Stage, interrupt: Interrupt): Promise<void> {
  const { chain } = stage;
  const forth = await writeCheckpoint(stage, 0, moved(1e-2));
  const back = await writeCheckpoint(stage, 0, moved(-1e-2));
  playCommits(stage, 0, [
    { miner: stage.miner(1), group: 0, hash: forth.sha256 },
    { miner: stage.miner(2), group: 0, hash: back.sha256 },
    { miner: stage.miner(3), group: 1, hash: "ab".repeat(32) },
  ]);
  await interrupt(stage);
  for (const block of [31, 32, 33]) {
    chain.buildUntil(block);
    await eventually(async () => expect(await stage.ledger.steps.done(0, `door-open-${block}`)).toBe(true));
    if (block === 31) await push(stage, forth.bytes, { miner: stage.miner(1), group: 0, roundId: 31 });
    if (block === 32) await push(stage, back.bytes, { miner: stage.miner(2), group: 0, roundId: 31 });
  }
  await advance(stage, 34, async () => expect(await stage.ledger.rounds.get(31)).not.toBe(null));
  await interrupt(stage);
  await advance(stage, 35, async () => expect(await stage.ledger.submissions.list(31)).toHaveLength(2));
  await interrupt(stage);
  await advance(stage, 36, async () => expect(await stage.ledger.evaluations.list(31)).toHaveLength(2));
  await interrupt(stage);
  await advance(stage, 42, async () => {
    expect(await stage.ledger.merges.get(0)).not.toBe(null);
    expect((await stage.ledger.intents.latest())?.id).toBe("2-0-0");
  });
  await interrupt(stage);
  await advance(stage, 60, async () => expect((await stage.ledger.intents.latest())?.state).toBe("verified"));
  for (const step of ["validatorCommit1", "validatorCommit2"] as const) {
    const { firstBlock, lastBlock } = phaseWindow(0, step, stage.network.schedule);
    chain.buildUntil(firstBlock);
    await interrupt(stage);
    await advance(stage, lastBlock + 3, async () => expect(await stage.ledger.commitments.get(0, step)).not.toBe(null));
  }
  await advance(stage, 70, async () => {
    expect(await stage.ledger.steps.done(0, "retention")).toBe(true);
    expect(await stage.ledger.commitments.get(0, "receiptsCommitted")).not.toBe(null);
    expect(await stage.ledger.receipts.bundles()).toMatchObject([{ cycle: 0, written: true }]);
    expect(await cyclesWithDigests(stage.layout, 1)).toEqual([0]);
  });
}

/** Builds a block every few tries until it holds, up to a last one, and then waits. */
async function advance({ chain }: Stage, lastBlock: number, check: () => Promise<void>): Promise<void> {
  let tries = 0;
  await eventually(async () => {
    tries += 1;
    if (tries % TRIES_PER_BLOCK === 0 && chain.head.number < lastBlock) chain.buildBlock();
    await check();
  });
}

/** The tiny model with every expert's output moved along one token's row of the head, which changes its likelihood. */
function moved(step: number): ReadonlyMap<string, TinyTensor> {
  const { hiddenSize, expertIntermediateSize } = TINY_CONFIG;
  const tensors = randomTensors();
  const token = "e".charCodeAt(0);
  const row = tensors.get(HEAD)?.values.subarray(token * hiddenSize, (token + 1) * hiddenSize);
  return changedTensors(tensors, (name, values) =>
    name.endsWith("down_proj.weight")
      ? values.map((value, index) => value + step * (row?.[Math.floor(index / expertIntermediateSize)] ?? 0))
      : null,
  );
}

async function runCycle(
  interrupt: (stage: Stage, queues: Queues, running: RunningValidator) => Promise<RunningValidator>,
  evaluation: StageOptions["evaluation"] = {},
) {
  const stage = await openStage({ model: true, schedule, hyperparameters: { weightsRateLimit: 1 }, evaluation });
  const queues = await openQueues();
  let running = await startValidator(stage, queues);
  onTestFinished(() => running.stop());
  await playCycle(stage, async () => {
    running = await interrupt(stage, queues, running);
  });
  await running.stop();
  await expectReceipts(stage);
  const { digest } = (await stage.ledger.merges.get(0)) ?? {};
  return {
    stage,
    result: {
      rows: await stage.ledger.scores.rows(31),
      book: await stage.ledger.scores.book(),
      weights: await stage.client.weights(NETUID, VALIDATOR_UID),
      digest,
    },
  };
}

/** A stranger can follow what was paid, and finds the root on chain beside the merged version; a peer can compare it. */
async function expectReceipts({ layout, client, validator }: Stage): Promise<void> {
  const { bundle, findings } = verifyBundle(new Uint8Array(await readFile(layout.receiptBundle(0))), verifySignature);
  expect(findings).toEqual([]);
  const { receipts = [], weights, root = "" } = bundle ?? {};
  const measured = receipts.filter(({ receipt }) => receipt.evaluation.kind === "scored");
  expect(measured.map(({ receipt }) => receipt.uid)).toEqual([1, 2]);
  const { plan } = weights ?? {};
  const weighed = plan?.kind === "weights" ? plan.uids.map((uid, index) => [uid, plan.weights[index]]) : null;
  expect(await client.weights(NETUID, VALIDATOR_UID)).toEqual(weighed);
  const commitments = await client.commitments(NETUID, client.head().hash);
  const own = commitments.find(({ hotkey }) => hotkey === validator.hotkey);
  expect(parseCommitment(own?.bytes ?? new Uint8Array())).toMatchObject({
    value: { version: 1, receipts: committedRoot(root) },
  });
  const read = readCycleDigests(new Uint8Array(await readFile(layout.cycleDigests(0))), verifySignature);
  if (read.kind !== "read" || bundle === null) throw new Error("There are no digests");
  expect(areDigestsOf(read.digests, bundle)).toBe(true);
  const { members, result, published } = read.digests.facts.merge;
  expect([members, result, published?.version]).toEqual([[validator.hotkey], "published", 1]);
}

test("a cycle runs from commitments to weights, and one that is killed at every step ends the same", async () => {
  const { stage, result } = await runCycle(async (_stage, _queues, running) => running);
  const best = result.rows.find(({ w }) => w > 0);
  expect(result.rows.filter(({ w }) => w > 0)).toHaveLength(1);
  expect(result.rows.map(({ uid, reason }) => [uid, reason])).toEqual([
    [1, best?.uid === 1 ? null : "no_improvement"],
    [2, best?.uid === 2 ? null : "no_improvement"],
    [3, "late"],
  ]);
  expect(result.weights).toEqual([[best?.uid, 65_535]]);
  expect(await stage.store.current()).toMatchObject({ version: 1, digest: result.digest });
  const lines = stage.logger.lines().join("\n");
  for (const published of [
    /Current block: \d+, phase: SUBMISSION/,
    /Submit phase opened at block 31/,
    /Committed hashes this cycle: 3/,
    /Downloading checkpoint for hotkey 5\w{4}\.\.\. \| group: 0/,
    /Evaluating 5\w{4}\.\.\. \| loss_before: \d\.\d{3} \| loss_after: \d\.\d{3} \| w_i: 0\.\d{3}/,
    /Evaluated 2\/2 submissions in \d+\.\d minutes/,
    /Inter-validator merging complete: 1\/1 validators synced/,
    /set_weights\(\) confirmed \| block: \d+ \| tx: 0x/,
  ]) {
    expect(lines).toMatch(published);
  }
  expect(await metric(stage, "eval_submissions_per_cycle")).toBe(2);
  expect(await metric(stage, "eval_avg_w_i")).toBeCloseTo((best?.w ?? 0) / 2, 12);
  expect(await metric(stage, "chain_set_weights_success")).toBe(1);
  expect(stage.logger.records.filter(({ level }) => level === "error")).toEqual([]);

  const killed = await runCycle(kill);
  expect(killed.result).toEqual(result);
});

test("a cycle that is measured in stages pays and merges whom it measured to the end", async () => {
  const sequential = { batchSequences: 1, stageBatches: 3, keep: 1, errorLevel: 0.5 };
  const { stage, result } = await runCycle(kill, { sequential });
  const best = result.rows.find(({ w }) => w > 0);
  const batches = (await stage.ledger.evaluations.list(31)).map((each) => [
    each.uid,
    each.kind === "scored" && each.batchLosses.length,
  ]);
  expect(batches).toEqual([
    [1, best?.uid === 1 ? 6 : 3],
    [2, best?.uid === 2 ? 6 : 3],
  ]);
  expect(stage.logger.lines().filter((line) => line.includes("| batches: 3 | stopped: outranked"))).toHaveLength(1);
  expect(result.weights).toEqual([[best?.uid, 65_535]]);
  expect((await stage.ledger.merges.get(0))?.groups).toEqual([{ group: 0, uid: best?.uid }]);
  expect(stage.logger.records.filter(({ level }) => level === "error")).toEqual([]);
});

/** Ends the validator, loses Redis, and starts another one. */
async function kill(stage: Stage, queues: Queues, running: RunningValidator): Promise<RunningValidator> {
  await running.stop();
  await queues.flush();
  await stage.reopenLedger();
  return await startValidator(stage, queues);
}
