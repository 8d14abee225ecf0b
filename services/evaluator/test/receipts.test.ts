import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { verifySignature } from "@assay/chain/verify-signature";
import { parseCommitment } from "@assay/core/commitment/payload";
import { NINE_PHASE_45 } from "@assay/core/cycle/phase";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { type Bundle, committedRoot } from "@assay/core/receipts/bundle";
import { explanationMessage, type SignedExplanation } from "@assay/core/receipts/explanation";
import { verifyBundle } from "@assay/core/receipts/verify-bundle";
import { expect, test } from "vitest";
import { CommitmentDuty } from "../src/commitments/commitment-duty.ts";
import { ReceiptCommitmentDuty } from "../src/receipts/receipt-commitment-duty.ts";
import { closeRound, writer } from "./closed-round.ts";
import { eventually, useRedis } from "./queues.ts";
import { scored } from "./rounds.ts";
import { NETUID, never, openStage, type Stage } from "./stage.ts";

useRedis();

const schedule = { ...NINE_PHASE_45, validatorCommit1: 6, validatorCommit2: 6 };

async function bundleOf({ layout }: Stage, cycle = 0): Promise<Bundle> {
  return JSON.parse(await readFile(layout.receiptBundle(cycle), "utf8")) as Bundle;
}

async function findingsIn({ layout }: Stage, cycle = 0) {
  return verifyBundle(new Uint8Array(await readFile(layout.receiptBundle(cycle))), verifySignature).findings;
}

test("a closed round leaves a bundle that verifies, and says what became of everybody", async () => {
  const stage = await openStage({ model: true });
  await writer(stage)();
  expect(await stage.ledger.receipts.newest()).toBe(null);
  await closeRound(stage);
  await writer(stage)();

  expect(await findingsIn(stage)).toEqual([]);
  const { header, receipts, scores, weights, root } = await bundleOf(stage);
  expect(receipts.map(({ receipt: { uid, reason, w } }) => [uid, reason, Number(w.toFixed(6))])).toEqual([
    [1, null, 0.187225],
    [2, "failed", 0],
    [3, "late", 0],
  ]);
  expect(header.baseDigest).toBe((await stage.store.manifest(0)).digest);
  expect(scores.before).toEqual([]);
  expect(scores.after.map(({ uid, points }) => [uid, points])).toEqual([
    [1, 1],
    [3, 1],
  ]);
  expect(weights.plan).toMatchObject({ kind: "weights", uids: [1], weights: [65_535] });
  expect(await stage.ledger.receipts.newest()).toEqual({ cycle: 0, root });
  expect(await readFile(stage.layout.receiptBundle(0), "utf8")).not.toContain("/a/path");
});

test("what was recorded after the closing is no part of the bundle", async () => {
  const stage = await openStage({ model: true });
  const round = await closeRound(stage);
  await stage.ledger.evaluations.record(scored(round, stage.miner(2), [4, 3]));
  await writer(stage)();
  expect(await findingsIn(stage)).toEqual([]);
  expect((await bundleOf(stage)).receipts[1]?.receipt.evaluation).toEqual({
    kind: "failed",
    code: "EVALUATOR_EVALUATION_FAILED",
  });
});

test("killed after the note, or with a file lost, it ends with the same root", async () => {
  const stage = await openStage({ model: true });
  await closeRound(stage);
  await mkdir(stage.layout.root, { recursive: true });
  await writeFile(stage.layout.receipts, "in the way of the folder");
  await expect(writer(stage)()).rejects.toMatchObject({ code: "ENOTDIR" });
  const noted = await stage.ledger.receipts.newest();
  await rm(stage.layout.receipts);
  stage.chain.buildUntil(stage.chain.head.number + 5);

  await writer(stage, Date.UTC(2026, 10, 25))();
  expect((await bundleOf(stage)).root).toBe(noted?.root);
  await rm(stage.layout.receiptBundle(0));
  await writer(stage)();
  expect((await bundleOf(stage)).root).toBe(noted?.root);
  expect(await findingsIn(stage)).toEqual([]);
});

test("bundles are chained, exported by the hour, and kept as many as is configured", async () => {
  const stage = await openStage({ model: true });
  for (const [cycle, at] of [
    Date.UTC(2026, 10, 21, 22, 59),
    Date.UTC(2026, 10, 21, 23, 1),
    Date.UTC(2026, 10, 23, 7),
  ].entries()) {
    await closeRound(stage, cycle);
    await writer(stage, at, 2)();
  }
  const [second, third] = [await bundleOf(stage, 1), await bundleOf(stage, 2)];
  expect(third.header.previous).toBe(second.root);
  expect(third.scores.before).toEqual(second.scores.after);
  await expect(bundleOf(stage, 0)).rejects.toMatchObject({ code: "ENOENT" });
  expect(await stage.ledger.receipts.closing(31)).toBe(null);
  const newest = await readFile(stage.layout.hourlyExport(["2026", "11", "23", "07"]), "utf8");
  expect(newest.split("\r\n")).toHaveLength(5);
  expect(await readFile(stage.layout.recentExport, "utf8")).toBe(newest);
  await expect(readFile(stage.layout.hourlyExport(["2026", "11", "21", "22"]))).rejects.toMatchObject({
    code: "ENOENT",
  });
  await expect(readFile(dirname(stage.layout.hourlyExport(["2026", "11", "21", "22"])))).rejects.toMatchObject({
    code: "ENOENT",
  });
});

test("each miner's place is explained over the validator's signature", async () => {
  const stage = await openStage({ model: true });
  await closeRound(stage);
  await writer(stage)();
  const all = JSON.parse(await readFile(stage.layout.explanations, "utf8")) as Record<string, SignedExplanation>;
  const { explanation, signature } = all[stage.miner(3).hotkey] as SignedExplanation;
  expect(explanation).toMatchObject({ uid: 3, rank: 2, reason: "late", weight: 0, root: (await bundleOf(stage)).root });
  const decoded = decodeBase64Url(signature) ?? new Uint8Array();
  expect(verifySignature(explanationMessage(explanation), decoded, stage.validator.hotkey)).toBe(true);
});

async function committed({ client, validator }: Stage) {
  const all = await client.commitments(NETUID, client.head().hash);
  const parsed = parseCommitment(all.find(({ hotkey }) => hotkey === validator.hotkey)?.bytes ?? new Uint8Array());
  return parsed.ok ? parsed.value : null;
}

async function runToEnd({ chain }: Stage, run: () => Promise<void>): Promise<void> {
  const calls = chain.calls;
  const running = run();
  await eventually(() => expect(chain.calls).toBe(calls + 1));
  chain.buildUntil(chain.head.number + 3);
  await running;
}

test("the root goes on chain beside the hash and version that stand there, once, and not where others are read", async () => {
  const stage = await openStage({ model: true, schedule });
  const { client, ledger, metrics, logger, network, validator, chain } = stage;
  const components = { chain: client, ledger, maySign: () => true, metrics, logger };
  const commit = () => new ReceiptCommitmentDuty(components, { netuid: NETUID, network }).run(client.head(), never);
  const digest = "ef".repeat(32);
  const merges = new CommitmentDuty(
    { ...components, store: stage.store, signer: validator.signer },
    { netuid: NETUID, network },
  );
  await ledger.merges.record({ cycle: 0, version: 1, digest, groups: [{ group: 0, uid: 1 }] });
  chain.buildUntil(40);
  await runToEnd(stage, () => merges.run(client.head(), never));
  chain.buildUntil(46);
  await runToEnd(stage, () => merges.run(client.head(), never));
  expect(await committed(stage)).toEqual({ hash: digest, version: 1 });

  await closeRound(stage);
  await writer(stage)();
  const { root } = await bundleOf(stage);
  await runToEnd(stage, commit);
  expect(await committed(stage)).toEqual({ hash: digest, version: 1, receipts: committedRoot(root) });
  const calls = chain.calls;
  await commit();
  expect(chain.calls).toBe(calls);
  expect(await ledger.commitments.get(0, "receiptsCommitted")).toMatchObject({ cycle: 0 });

  await ledger.merges.record({ cycle: 1, version: 2, digest, groups: [{ group: 0, uid: 1 }] });
  chain.buildUntil(52 + 40);
  await runToEnd(stage, () => merges.run(client.head(), never));
  chain.buildUntil(52 + 46);
  await runToEnd(stage, () => merges.run(client.head(), never));
  expect(await committed(stage)).toEqual({ hash: digest, version: 2, receipts: committedRoot(root) });
});
