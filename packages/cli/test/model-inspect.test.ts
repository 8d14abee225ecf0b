import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { randomTensors, writeTinyModel, writeVersion } from "@assay/testing/model/tiny-model";
import { expect, test } from "vitest";
import { assay, assayJson, temporaryFolder } from "./command-line.ts";

/** Two layers of four experts, one file, float32. */
async function tinyModel(): Promise<string> {
  const folder = await temporaryFolder();
  await writeTinyModel(folder);
  return folder;
}

async function changeConfig(folder: string, change: object): Promise<void> {
  const path = join(folder, "config.json");
  const config = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...config, ...change }));
}

test("says what a model consists of", async () => {
  const folder = await tinyModel();
  const { exitCode, result } = await assayJson("model", "inspect", folder, "--groups", "2", "--no-measure");

  expect(exitCode).toBe(0);
  const { shared, memory, ...rest } = result;
  expect(rest).toEqual({
    path: folder,
    architecture: "Qwen3MoeForCausalLM",
    layers: 2,
    routedLayers: 2,
    expertsPerLayer: [4],
    expertsPerToken: 2,
    expertTensors: "per_expert",
    hiddenSize: 32,
    vocabularySize: 256,
    files: 1,
    bytesByDtype: { F32: 165_632 },
    parameters: { all: 41_408, shared: 22_976, perToken: 23_808 },
    bytes: { all: 165_632, shared: 91_904, experts: 73_728 },
    groups: [
      { group: 0, expertsPerLayer: [2], tensors: 12, parameters: 9216, bytes: 38_208 },
      { group: 1, expertsPerLayer: [2], tensors: 12, parameters: 9216, bytes: 38_208 },
    ],
    problems: [],
    time: null,
  });
  expect(shared).toContainEqual({
    name: "model.layers.*.mlp.gate.weight",
    dtype: "F32",
    shape: [4, 32],
    count: 2,
    parameters: 256,
    bytes: 1024,
    used: true,
  });
  expect(memory.resident).toBeGreaterThan(memory.streamed);
});

test("says it to people, with groups and shared tensors", async () => {
  const { exitCode, out } = await assay("model", "inspect", await tinyModel(), "--groups", "2", "--no-measure");

  expect(exitCode).toBe(0);
  expect(out).toMatch(/^Experts +4 per layer, 2 per token \(per_expert\)$/m);
  expect(out).toMatch(/^ +1 +2 +12 +9\.2 thousand +38\.2 kB$/m);
  expect(out).toMatch(/^ +model\.layers\.\*\.mlp\.gate\.weight +2 x \[4,32\] +F32 +1\.0 kB$/m);
  expect(out).not.toContain("Time");
});

test("measures this machine and says that time is an estimate", async () => {
  const folder = await tinyModel();
  const size = ["--sequences", "10", "--sequence-length", "20", "--threads", "1"];
  const { result } = await assayJson("model", "inspect", folder, ...size);

  const { operationsPerSecond, secondsPerSubmission, ...counted } = result.time;
  expect(counted).toEqual({ sequences: 10, sequenceLength: 20, threads: 1, tokens: 200, operationsPerToken: 52_736 });
  expect(secondsPerSubmission).toBeCloseTo((200 * 52_736) / operationsPerSecond, 9);
  expect(operationsPerSecond).toBeGreaterThan(1e8);
  expect((await assay("model", "inspect", folder)).out).toMatch(
    /^Time +estimated per submission: .* GFLOP\/s measured/m,
  );
});

test("cuts as a network says, and takes its lengths", async () => {
  const { result } = await assayJson("model", "inspect", await tinyModel(), "--network", "finney");

  expect(result.groups).toHaveLength(4);
  expect(result.time).toMatchObject({ sequences: 400, sequenceLength: 1024 });
});

test("knows how a version of the checkpoint directory is cut", async () => {
  const folder = await writeVersion(await temporaryFolder(), { groups: 2, tensors: randomTensors() });
  const { exitCode, result } = await assayJson("model", "inspect", folder, "--no-measure");

  expect(exitCode).toBe(0);
  expect(result).toMatchObject({
    groups: [
      { group: 0, parameters: 9216 },
      { group: 1, parameters: 9216 },
    ],
    parameters: { all: 41_408 },
    problems: [],
  });
});

test("cuts as published assignments say", async () => {
  const folder = await tinyModel();
  const files = await Promise.all(
    [
      { 0: [[0, 3]], 1: [[0, 0]] },
      {
        0: [
          [0, 1],
          [1, 0],
        ],
        1: [
          [0, 1],
          [1, 2],
        ],
      },
    ].map(async (assignment, group) => {
      const path = join(folder, `assignment-${group}.json`);
      await writeFile(path, JSON.stringify(assignment));
      return path;
    }),
  );
  const inspect = (...options: readonly string[]) => assayJson("model", "inspect", folder, "--no-measure", ...options);
  const assignments = ["--assignment", `5=${files[0]}`, "--assignment", `${files[1]}`];

  const frozen = await inspect(...assignments, "--unassigned", "freeze");
  expect(frozen.result.groups).toMatchObject([
    { group: 1, expertsPerLayer: [2], tensors: 12 },
    { group: 5, expertsPerLayer: [1], tensors: 6 },
  ]);
  const refused = await inspect(...assignments);
  expect([refused.exitCode, refused.result.error]).toMatchObject([
    1,
    {
      code: "CHECKPOINT_ASSIGNMENT_INVALID",
      message: "An expert belongs to no group",
      fields: { layer: 0, expert: 2 },
    },
  ]);
});

test.each<readonly [string, (folder: string) => Promise<void>, object]>([
  [
    "a feature that is not computed",
    (folder) => changeConfig(folder, { hidden_act: "gelu" }),
    { code: "EVALUATION_MODEL_UNSUPPORTED", fields: { feature: "hidden_act", value: '"gelu"' } },
  ],
  [
    "an architecture that is not computed",
    (folder) => changeConfig(folder, { architectures: ["Gpt2"] }),
    { code: "EVALUATION_MODEL_UNSUPPORTED", fields: { feature: "architectures", value: '["Gpt2"]' } },
  ],
  [
    "a tensor that is missing",
    (folder) => changeConfig(folder, { num_hidden_layers: 3 }),
    { code: "EVALUATION_MODEL_INVALID", fields: { layer: "2" } },
  ],
  [
    "a tensor of another shape",
    (folder) => changeConfig(folder, { vocab_size: 300 }),
    { code: "EVALUATION_MODEL_INVALID", fields: { shape: "256x32", expected: "300x32" } },
  ],
  [
    "no tokenizer",
    (folder) => rm(join(folder, "tokenizer_config.json")),
    { code: "EVALUATION_MODEL_INVALID", fields: { file: "tokenizer_config.json" } },
  ],
])("names %s, and answers no", async (_, spoil, problem) => {
  const folder = await tinyModel();
  await spoil(folder);

  const { exitCode, result } = await assayJson("model", "inspect", folder);
  expect(exitCode).toBe(1);
  expect(result.problems).toMatchObject([problem]);
  expect(result).toMatchObject({ memory: null, time: null, expertsPerLayer: [4], parameters: { all: 41_408 } });
  expect((await assay("model", "inspect", folder)).out).toMatch(/^Cannot be evaluated: EVALUATION_MODEL_/m);
});

test.each([
  [["--groups", "3"], "CHECKPOINT_ASSIGNMENT_INVALID", 1],
  [["--groups", "0"], "CLI_USAGE", 2],
  [["--groups", "2", "--network", "finney"], "CLI_USAGE", 2],
  [["--unassigned", "freeze"], "CLI_USAGE", 2],
  [["--assignment", "/missing.json"], "CHECKPOINT_ASSIGNMENT_INVALID", 1],
  [["--assignment", "1=/a.json", "--assignment", "/b.json"], "CLI_USAGE", 2],
  [["--network", "no-such-network"], "CONFIG_INVALID", 1],
])("%j is %s", async (options, code, expected) => {
  const { exitCode, result } = await assayJson("model", "inspect", await tinyModel(), ...options);
  expect([exitCode, result.error.code]).toEqual([expected, code]);
});

test("runs as a program, with its exit codes and outputs apart", async () => {
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const run = async (...args: readonly string[]) => {
    const child = spawn(process.execPath, ["--conditions=source", main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    return { code, out, err };
  };
  const folder = await tinyModel();

  const inspected = await run("model", "inspect", folder, "--json");
  expect([inspected.code, JSON.parse(inspected.out).path]).toEqual([0, folder]);
  expect(inspected.err).toContain("Measuring this machine's speed");
  expect(await run("model", "inspect", "/missing", "--json")).toMatchObject({ code: 1, err: "" });
  expect(await run("model")).toMatchObject({ code: 2, out: "" });
});
