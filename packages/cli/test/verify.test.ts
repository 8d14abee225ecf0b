import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import { type BundleHeader, bundleText, committedRoot } from "@assay/core/receipts/bundle";
import { composeBundle } from "@assay/core/receipts/compose-bundle";
import { InProcessEvaluator } from "@assay/evaluation/in-process-evaluator";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { type BundleKeys, bundleFacts, receiptBundle } from "@assay/testing/builders/receipt-bundle";
import { changedTensors, randomTensors, writeSubmission, writeTinyModel } from "@assay/testing/model/tiny-model";
import { describe, expect, test } from "vitest";
import { assay, assayIn, assayJson, temporaryFolder } from "./command-line.ts";
import { storeWeights, VALIDATOR_URI, validatorStage } from "./validator-stage.ts";

const NEVER = new AbortController().signal;

async function keys(): Promise<BundleKeys> {
  const miners = await Promise.all([0, 1, 2, 3, 4, 5].map((index) => loadHotkey({ uri: `//Miner//${index}` })));
  return { validator: await loadHotkey({ uri: VALIDATOR_URI }), miners };
}

async function bundleFile(text: string): Promise<string> {
  const file = join(await temporaryFolder(), "bundle.json");
  await writeFile(file, text);
  return file;
}

describe("verify", () => {
  test("says that a bundle follows", async () => {
    const bundle = receiptBundle(await keys());
    const file = await bundleFile(bundleText(bundle));

    const { exitCode, out } = await assay("verify", file);
    expect(exitCode).toBe(0);
    expect(out).toBe(
      `Cycle 1 (round 52) of subnet 2, by ${bundle.header.validator}: 6 receipts, root ${bundle.root}\nEverything follows.\n`,
    );
  });

  test("names what does not", async () => {
    const { validator, miners } = await keys();
    const facts = bundleFacts({ validator, miners });
    const rows = facts.rows.map((row) => (row.uid === 2 ? { ...row, w: 0.5 } : row));
    const lie = composeBundle({ ...facts, rows }, (bytes) => encodeBase64Url(validator.sign(bytes)));
    const file = await bundleFile(bundleText(lie));

    const { exitCode, result } = await assayJson("verify", file);
    expect(exitCode).toBe(1);
    expect(result).toMatchObject({
      bundle: { cycle: 1, receipts: 6 },
      findings: [{ code: "does_not_follow", part: "receipt", uid: 2, field: "w", found: "0.5" }],
    });
    const { out } = await assay("verify", file);
    expect(out).toContain("receipt of uid 2, w: The rules give another value (does_not_follow); expected 0.00");
  });

  test("takes any bytes, and says so of what is no bundle or cannot be read", async () => {
    const { exitCode, result } = await assayJson("verify", await bundleFile("{}\n"));
    expect([exitCode, result.bundle]).toEqual([1, null]);
    expect(new Set(result.findings.map(({ code }: { code: string }) => code))).toEqual(new Set(["malformed"]));
    expect(await assayJson("verify", "/nowhere/bundle.json")).toMatchObject({
      exitCode: 1,
      result: { error: { code: "CLI_FILE_UNREADABLE" } },
    });
    expect((await assay("verify")).exitCode).toBe(2);
    expect((await assay("verify", "x", "--store", "y")).exitCode).toBe(1);
  });

  test("compares root and weights with the chain", async () => {
    const stage = await validatorStage();
    const bundle = receiptBundle(await keys());
    const file = await bundleFile(bundleText(bundle));
    const { plan } = bundle.weights;
    if (plan.kind === "none") throw new Error("There is no plan");
    const vector = plan.uids.map((uid, index) => [uid, plan.weights[index] ?? 0] as const);
    const account = stage.hotkeys[0] ?? "";
    const payload = Buffer.from(JSON.stringify({ h: "ef".repeat(32), v: 1, rr: committedRoot(bundle.root) }));
    const commitment = { deposit: 0, block: 1, info: { fields: [{ [`Raw${payload.length}`]: payload }] } };
    storeWeights(stage, vector);
    stage.chain.writeStorage("Commitments", "CommitmentOf", [2, account], commitment);
    for (let block = 0; block < 4; block += 1) stage.chain.buildBlock();

    const verify = async () => {
      const { exitCode, out } = await assayIn(stage.env, "verify", file, "--chain", "--json");
      return { exitCode, findings: JSON.parse(out).findings };
    };
    expect(await verify()).toEqual({ exitCode: 0, findings: [] });

    storeWeights(
      stage,
      vector.map(([uid, weight]) => [uid, uid === 1 ? 1 : weight]),
    );
    stage.chain.writeStorage("Commitments", "CommitmentOf", [2, account], null);
    for (let block = 0; block < 4; block += 1) stage.chain.buildBlock();
    expect(await verify()).toMatchObject({
      exitCode: 1,
      findings: [
        { code: "not_on_chain", field: "root", found: "none" },
        { code: "chain_differs", part: "weight", uid: 1, found: "1" },
      ],
    });
  });

  test("measures again what a store still has, within the band", async () => {
    const { validator, miners } = await keys();
    const root = await temporaryFolder();
    const store = new CheckpointStore({ logger: createMemoryLogger() }, { root, keepVersions: 2 });
    await store.start();
    await writeTinyModel(join(root, "model"));
    await store.importModel(join(root, "model"), { groups: 2 });
    const dataset = join(root, "held-out.jsonl");
    await writeFile(
      dataset,
      Array.from({ length: 60 }, (_, line) => JSON.stringify({ text: `Line ${line * 31} of it` })).join("\n"),
    );
    const tensors = changedTensors(randomTensors(), (_, values) => values.map((value) => value * 0.99));
    const { path, sha256 } = await writeSubmission(join(root, "submission"), { groups: 2, group: 0, tensors });

    const { header } = bundleFacts({ validator, miners });
    // The duplicate is one of the same file.
    const roster = header.round.roster.map((entry, index) => {
      if (entry.uid !== 1 && entry.uid !== 4) return entry;
      const signature = encodeBase64Url(miners[index]?.sign(committedHashMessage(sha256)) ?? new Uint8Array());
      return { ...entry, commitment: { hash: sha256, signature, block: 40 + entry.uid } };
    });
    const round = { ...header.round, baseVersion: 0, roster };
    const { digest: baseDigest } = await store.manifest(0);
    const change: Partial<BundleHeader> = {
      round,
      baseDigest,
      network: { ...header.network, evaluation: { ...header.network.evaluation, sequenceLength: 16 } },
    };
    const target = store.layout.submission(round.id, sha256);
    await mkdir(dirname(target), { recursive: true });
    await cp(path, target);
    const evaluator = new InProcessEvaluator(
      { logger: createMemoryLogger() },
      {
        evalDatasetPath: dataset,
        tokenCacheDirectory: null,
        batchSize: 2,
        sequences: 6,
        sequenceLength: 16,
        timeoutMillis: 60_000,
        threads: 1,
      },
    );
    await evaluator.start(NEVER);
    const seed = header.seed?.value ?? "";
    const measured = await evaluator.evaluate(
      { base: { directory: store.directory(0), version: 0 }, group: 0, submission: { path, sha256 }, seed },
      NEVER,
    );
    await evaluator.stop();
    if (measured.kind !== "measured") throw new Error("It was not measured");
    const { kind: _, ...losses } = measured;

    const verify = async (known: typeof losses) => {
      const facts = bundleFacts({ validator, miners }, change, new Map([[1, known]]));
      const bundle = composeBundle(facts, (bytes) => encodeBase64Url(validator.sign(bytes)));
      const file = await bundleFile(bundleText(bundle));
      return await assayJson("verify", file, "--store", root, "--dataset", dataset, "--uid", "1");
    };
    expect(await verify(losses)).toMatchObject({ exitCode: 0, result: { findings: [] } });

    const better = losses.batchLosses.map((batch) => ({ ...batch, after: batch.after - batch.tokens / 1000 }));
    const after = better.reduce((sum, batch) => sum + batch.after, 0) / losses.tokens;
    expect(await verify({ ...losses, batchLosses: better, lossAfter: after })).toMatchObject({
      exitCode: 1,
      result: { findings: [{ code: "losses_differ", part: "receipt", uid: 1, field: "evaluation.lossAfter" }] },
    });
    await writeFile(target, (await readFile(target)).subarray(0, -4));
    expect(await verify(losses)).toMatchObject({
      exitCode: 1,
      result: { findings: [{ code: "not_measured_again", found: "the submission's file is another one" }] },
    });
  });
});
