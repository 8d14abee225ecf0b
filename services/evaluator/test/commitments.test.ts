import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { verifySignature } from "@assay/chain/verify-signature";
import { parseCommitment } from "@assay/core/commitment/payload";
import { NINE_PHASE_45, SEED_45 } from "@assay/core/cycle/phase";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import { changedTensors, randomTensors } from "@assay/testing/model/tiny-model";
import { expect, test } from "vitest";
import { CommitmentDuty } from "../src/commitments/commitment-duty.ts";
import { CommitmentRiskDuty } from "../src/commitments/commitment-risk-duty.ts";
import { eventually } from "./queues.ts";
import { metric, NETUID, never, openStage, type Stage, type StageOptions } from "./stage.ts";
import { writeCheckpoint } from "./submissions.ts";

const digest = "ef".repeat(32);

/** Longer commit phases, so that finality fits in: the first is 40–45, the second 46–51. */
const schedule = { ...NINE_PHASE_45, validatorCommit1: 6, validatorCommit2: 6 };

async function openMerged(options: StageOptions = {}): Promise<Stage> {
  const stage = await openStage({ schedule, ...options });
  await stage.ledger.merges.record({ cycle: 0, version: 1, digest, groups: [{ group: 0, uid: 1 }] });
  return stage;
}

/** A new duty, as after a restart; call the result once per block. */
function committer({ client, ledger, store, metrics, logger, network, validator }: Stage, maySign = () => true) {
  const components = { chain: client, signer: validator.signer, ledger, store, maySign, metrics, logger };
  const duty = new CommitmentDuty(components, { netuid: NETUID, network });
  return (signal = never) => duty.run(client.head(), signal);
}

async function committed({ client, validator }: Stage) {
  const all = await client.commitments(NETUID, client.head().hash);
  const own = all.find(({ hotkey }) => hotkey === validator.hotkey);
  const parsed = own === undefined ? null : parseCommitment(own.bytes);
  return { block: own?.block, payload: parsed?.ok === true ? parsed.value : null };
}

/** Runs the duty until its call is handed in, then builds the block that includes it and those that make it final. */
async function runToEnd({ chain }: Stage, run: () => Promise<void>): Promise<void> {
  const calls = chain.calls;
  const running = run();
  await eventually(() => expect(chain.calls).toBe(calls + 1));
  chain.buildUntil(chain.head.number + 3);
  await running;
}

test("first the signature over the digest, then the digest itself, each read back and written down", async () => {
  const stage = await openMerged();
  const run = committer(stage);
  stage.chain.buildUntil(39);
  await run();
  expect((await committed(stage)).payload).toBe(null);

  stage.chain.buildUntil(40);
  await runToEnd(stage, run);
  const first = await committed(stage);
  expect(Object.keys(first.payload ?? {})).toEqual(["signature"]);
  const signature = decodeBase64Url(first.payload?.signature ?? "");
  expect(signature && verifySignature(committedHashMessage(digest), signature, stage.validator.hotkey)).toBe(true);
  expect(await stage.ledger.commitments.get(0, "validatorCommit1")).toMatchObject({ block: 41 });

  stage.chain.buildUntil(46);
  await runToEnd(stage, run);
  expect((await committed(stage)).payload).toEqual({ hash: digest, version: 1 });
  expect(await stage.ledger.commitments.get(0, "validatorCommit2")).toMatchObject({
    block: 47,
    bytesHex: Buffer.from(`{"h":"${digest}","v":1}`).toString("hex"),
    extrinsicHash: expect.stringMatching(/^0x/),
  });
  expect(stage.logger.lines()).toEqual([
    "[INFO] Committed signed model hash | cycle: 0 | version: 1 | block: 41",
    "[INFO] Committed model hash | cycle: 0 | version: 1 | block: 47",
  ]);
});

test("killed between submitting and writing down, it commits nothing twice", async () => {
  const stage = await openMerged();
  stage.chain.buildUntil(40);
  const killed = new AbortController();
  const committing = committer(stage)(killed.signal);
  await eventually(() => expect(stage.chain.calls).toBe(1));
  stage.chain.buildBlock();
  killed.abort(new Error("killed"));
  await expect(committing).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });
  expect(await stage.ledger.steps.done(0, "validatorCommit1")).toBe(false);

  const run = committer(stage);
  await run();
  expect(await stage.ledger.steps.done(0, "validatorCommit1")).toBe(false);
  stage.chain.buildUntil(43);
  await run();
  expect(await stage.ledger.steps.done(0, "validatorCommit1")).toBe(true);
  expect((await committed(stage)).block).toBe(41);
  expect(await stage.ledger.commitments.get(0, "validatorCommit1")).toMatchObject({ block: 41, extrinsicHash: "" });
});

test("a phase that passed while nobody ran is reported once and not made up for", async () => {
  const stage = await openMerged();
  stage.chain.buildUntil(54);
  const run = committer(stage);
  await run();
  await run();
  expect((await committed(stage)).payload).toBe(null);
  expect(await stage.ledger.events.recent(9)).toMatchObject([
    { kind: "commitment_missed", fields: { step: "validatorCommit2", cycle: 0 } },
    { kind: "commitment_missed", fields: { step: "validatorCommit1", cycle: 0 } },
  ]);
  expect(stage.logger.lines()).toEqual([
    "[WARN] Commitment missed: its phase is over | step: validatorCommit1 | cycle: 0 | version: 1",
    "[WARN] Commitment missed: its phase is over | step: validatorCommit2 | cycle: 0 | version: 1",
  ]);
});

test("what was committed before a restart counts, also when the restart came after the phase", async () => {
  const stage = await openMerged();
  stage.chain.buildUntil(40);
  await runToEnd(stage, committer(stage));
  const late = await openStage({ schedule });
  await late.ledger.merges.record({ cycle: 0, version: 1, digest, groups: [] });
  stage.chain.buildUntil(54);
  await committer({ ...stage, ledger: late.ledger })();
  expect(await late.ledger.commitments.get(0, "validatorCommit1")).toMatchObject({ block: 41 });
  expect(await late.ledger.events.recent(9)).toMatchObject([{ fields: { step: "validatorCommit2" } }]);
});

/** A stage whose cycle 0 was merged by others, and not by us. */
async function openMissed(result: string, others: readonly string[]): Promise<Stage> {
  const stage = await openStage({ schedule, model: true });
  const expected = [...others, stage.validator.hotkey];
  const all = { expected, members: [], synced: [], leftOut: [], agreed: null };
  await stage.ledger.mergeEnds.record({ cycle: 0, result, ...all });
  return stage;
}

test("after a merge of others it says version 0 beside the hash of the version that it has", async () => {
  const stage = await openMissed("behind", ["other"]);
  const own = (await stage.store.current())?.digest ?? "";
  const run = committer(stage);
  stage.chain.buildUntil(40);
  await runToEnd(stage, run);
  const signature = decodeBase64Url((await committed(stage)).payload?.signature ?? "");
  expect(signature && verifySignature(committedHashMessage(own), signature, stage.validator.hotkey)).toBe(true);
  stage.chain.buildUntil(46);
  await runToEnd(stage, run);
  expect((await committed(stage)).payload).toEqual({ hash: own, version: 0 });
  expect(await stage.ledger.commitments.get(0, "validatorCommit2")).toMatchObject({ block: 47 });
});

test("a version 0 that was committed before a restart counts, whatever version is current by then", async () => {
  const stage = await openMissed("behind", ["other"]);
  stage.chain.buildUntil(46);
  const killed = new AbortController();
  const committing = committer(stage)(killed.signal);
  await eventually(() => expect(stage.chain.calls).toBe(1));
  stage.chain.buildBlock();
  killed.abort(new Error("killed"));
  await expect(committing).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });

  stage.chain.buildUntil(54);
  const tensors = changedTensors(randomTensors(), (_, values) => values.map((value) => value + 1));
  const groupFiles = new Map([[0, (await writeCheckpoint(stage, 0, tensors)).path]]);
  await stage.store.publish({ version: 1, parent: 0, cycle: 0, block: 1, groupFiles });
  await committer(stage)();
  expect(await stage.ledger.commitments.get(0, "validatorCommit2")).toMatchObject({ block: 47, extrinsicHash: "" });
});

test.each([
  ["that nobody else was in", "no_quorum", []],
  ["that we published", "published", ["other"]],
])("after a merge %s nothing says version 0", async (_, result, others) => {
  const stage = await openMissed(result, others);
  stage.chain.buildUntil(41);
  await committer(stage)();
  expect(stage.chain.calls).toBe(0);
});

test("a call that the chain refuses fails, and the next block's attempt lands", async () => {
  const stage = await openMerged();
  stage.chain.buildUntil(40);
  stage.chain.refuseNext(new ChainError(ChainErrorCode.RateLimited, "Too soon", { retryable: true }));
  const run = committer(stage);
  await expect(runToEnd(stage, run)).rejects.toMatchObject({ code: "CHAIN_RATE_LIMITED" });
  expect(await stage.ledger.steps.done(0, "validatorCommit1")).toBe(false);
  await runToEnd(stage, run);
  expect(await stage.ledger.commitments.get(0, "validatorCommit1")).toMatchObject({ block: 44 });
});

test("without a merge, and in a schedule without these phases, nothing is committed", async () => {
  const unmerged = await openStage({ schedule, firstBlock: 41 });
  await committer(unmerged)();
  const seed = await openMerged({ schedule: SEED_45, firstBlock: 46 });
  await committer(seed)();
  expect([(await committed(unmerged)).payload, (await committed(seed)).payload]).toEqual([null, null]);
  expect(await seed.ledger.events.recent(9)).toEqual([]);
});

/** What an operator sees of the risk, after a look at the newest block. */
function riskOf(stage: Stage) {
  const { client, ledger, store, metrics, logger, network } = stage;
  const duty = new CommitmentRiskDuty({ chain: client, ledger, store, metrics, logger }, { netuid: NETUID, network });
  return async () => {
    await duty.run(client.head());
    return await metric(stage, "evaluator_commitment_at_risk");
  };
}

test("a commitment that is not final is at risk when fewer blocks are left than finality and one more attempt take", async () => {
  const stage = await openMerged();
  stage.chain.setIncluding(false);
  const risk = riskOf(stage);
  const seen: (number | undefined)[] = [];
  for (const block of [39, 40, 41, 42, 43, 45, 46]) {
    stage.chain.buildUntil(block);
    seen.push(await risk());
  }
  // The second phase began at 46, and the first one is over.
  expect(seen).toEqual([0, 0, 0, 1, 1, 1, 0]);
  expect(stage.logger.lines()).toEqual([
    "[WARN] Commitment at risk: its phase ends and no block has it | step: validatorCommit1 | cycle: 0 | blocks_left: 3 | finality_lag: 2",
  ]);
});

test("a commitment in a block that is not final is at risk without a warning", async () => {
  const stage = await openMerged();
  const [run, risk] = [committer(stage), riskOf(stage)];
  stage.chain.buildUntil(41);
  const running = run();
  await eventually(() => expect(stage.chain.calls).toBe(1));
  stage.chain.buildUntil(42);
  expect(await risk()).toBe(1);
  stage.chain.buildUntil(44);
  await running;
  expect(await risk()).toBe(0);
  expect(stage.logger.lines().filter((line) => line.includes("WARN"))).toEqual([]);
});

test("a commitment that became final at the last moment is at risk no longer", async () => {
  const stage = await openMerged();
  const [run, risk] = [committer(stage), riskOf(stage)];
  stage.chain.buildUntil(42);
  expect(await risk()).toBe(1);
  await runToEnd(stage, run);
  expect(stage.chain.head.number).toBe(45);
  expect(await risk()).toBe(0);
  expect(await metric(stage, "evaluator_commitments_total", { step: "validatorCommit1", result: "committed" })).toBe(1);
  // A restart within the phase knows it too.
  expect(await riskOf({ ...stage, ledger: await stage.reopenLedger() })()).toBe(0);
});

test("while nothing may be signed it rests, and what it missed so is counted", async () => {
  const stage = await openMerged();
  const run = committer(stage, () => false);
  for (const block of [40, 43, 46, 54]) {
    stage.chain.buildUntil(block);
    await run();
  }
  expect(stage.chain.calls).toBe(0);
  for (const step of ["validatorCommit1", "validatorCommit2"]) {
    expect(await metric(stage, "evaluator_commitments_total", { step, result: "missed" })).toBe(1);
  }
});
