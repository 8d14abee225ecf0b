import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Engine } from "@assay/evaluation/engine/engine";
import { ARCHITECTURES, type Architecture } from "@assay/evaluation/model/config";
import { selectBatches } from "@assay/evaluation/text/batches";
import { loadDataset } from "@assay/evaluation/text/dataset";
import { loadTokenizer } from "@assay/evaluation/text/tokenizer";
import { describe, expect, test } from "vitest";
import { assay, assayJson, temporaryFolder } from "./command-line.ts";

const NEVER = new AbortController().signal;

async function tiny(architecture: Architecture, ...options: readonly string[]) {
  const folder = join(await temporaryFolder(), "model");
  const { exitCode, result } = await assayJson("model", "tiny", folder, "--arch", architecture, ...options);
  expect(exitCode).toBe(0);
  return { folder, result };
}

/** Loss of the folder as it is, per token. */
async function lossOf(folder: string): Promise<number> {
  const path = join(folder, "held-out.jsonl");
  await writeFile(path, `{"text":"${"The quick brown fox. ".repeat(10)}"}\n`);
  const size = { sequenceLength: 16, threads: 1 };
  const tokenizer = await loadTokenizer(folder);
  const dataset = await loadDataset({ path, tokenizer, vocabularySize: 320, ...size }, NEVER);
  const batches = selectBatches(dataset, { seed: "5eed", sequences: 4, batchSize: 2 });
  const engine = new Engine({ ...size, groups: 2 });
  const request = { base: { directory: folder, version: 0 }, group: 1, submission: null };
  const losses = await engine.losses({ ...request, batches: { key: "all", batches } }, NEVER);
  await engine.release();
  return losses.reduce((sum, loss) => sum + loss, 0) / 64;
}

describe.each(ARCHITECTURES)("a tiny %s", (architecture) => {
  test.each([[[]], [["--stacked"]]])("can be evaluated, written with %j", async (options) => {
    const { folder } = await tiny(architecture, "--layers", "3", ...options);

    const { exitCode, result } = await assayJson("model", "inspect", folder, "--groups", "2", "--no-measure");
    expect([exitCode, result.problems, result.layers, result.files]).toEqual([0, [], 3, 2]);
    // An untrained model is about as wrong as chance, ln 320 = 5.8.
    const loss = await lossOf(folder);
    expect(loss).toBeGreaterThan(5);
    expect(loss).toBeLessThan(8);
  });

  test("is the same for the same seed and another for another", async () => {
    const [first, again, other] = [
      await tiny(architecture),
      await tiny(architecture),
      await tiny(architecture, "--seed", "2"),
    ];

    expect(Object.keys(first.result.files)).toEqual([
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
    ]);
    expect(again.result.files).toEqual(first.result.files);
    expect(Object.values(other.result.files)).not.toContain(Object.values(first.result.files)[0]);
  });
});

test.each([
  ["f32", "F32", 4],
  ["bf16", "BF16", 2],
  ["f16", "F16", 2],
] as const)("weights are written as %s", async (option, dtype, bytes) => {
  const { folder, result } = await tiny("olmoe", "--dtype", option);
  const { result: inspection } = await assayJson("model", "inspect", folder, "--no-measure");

  expect(inspection.bytesByDtype).toEqual({ [dtype]: result.parameters * bytes });
});

test("sizes are as asked for", async () => {
  const sizes = ["--layers", "1", "--hidden", "32", "--experts", "6", "--groups", "3", "--vocabulary", "400"];
  const { folder } = await tiny("mixtral", ...sizes);

  expect((await assayJson("model", "inspect", folder, "--groups", "3", "--no-measure")).result).toMatchObject({
    layers: 1,
    hiddenSize: 32,
    expertsPerLayer: [6],
    vocabularySize: 400,
    groups: [{ expertsPerLayer: [2] }, { expertsPerLayer: [2] }, { expertsPerLayer: [2] }],
  });
});

test("a folder that is not empty is left alone without --force", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "notes.txt"), "mine");

  const refused = await assay("model", "tiny", folder, "--arch", "olmoe");
  expect([refused.exitCode, refused.err.split(":")[0]]).toEqual([1, "CLI_FOLDER_NOT_EMPTY"]);
  for (const seed of ["1", "2"]) {
    const { exitCode } = await assay("model", "tiny", folder, "--arch", "olmoe", "--force", "--seed", seed);
    expect(exitCode).toBe(0);
  }
  expect((await assay("model", "inspect", folder, "--no-measure")).exitCode).toBe(0);
});

test.each([
  [[], "--arch is missing: one of qwen3_moe, qwen3_vl_moe, mixtral, olmoe, deepseek_v2"],
  [["--arch", "gpt2"], '--arch takes one of qwen3_moe, qwen3_vl_moe, mixtral, olmoe, deepseek_v2, not "gpt2"'],
  [["--arch", "olmoe", "--hidden", "20"], "--hidden takes a multiple of 8, not 20"],
  [["--arch", "olmoe", "--experts", "6", "--groups", "4"], "--groups 4 does not divide 6 experts"],
  [["--arch", "olmoe", "--vocabulary", "256"], '--vocabulary takes a whole number from 257 to 1000000, not "256"'],
  [["--arch", "olmoe", "--layers", "200", "--hidden", "4096"], "73.8 billion parameters are not tiny"],
])("%j is refused and nothing is written", async (options, message) => {
  const folder = join(await temporaryFolder(), "model");

  expect(await assay("model", "tiny", folder, ...options)).toEqual({
    exitCode: 2,
    out: "",
    err: `CLI_USAGE: ${message}\n`,
  });
  expect((await assay("model", "inspect", folder)).exitCode).toBe(1);
});
