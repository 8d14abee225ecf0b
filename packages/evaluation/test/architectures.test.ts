import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExpertAssignment, ExpertGroups } from "@assay/checkpoint/model/expert-groups";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Engine } from "../src/engine/engine.ts";
import type { EvaluationRequest } from "../src/evaluator.ts";
import type { Batch } from "../src/text/batches.ts";
import { BASE_CONFIGS, withFields } from "./plain-model/base-configs.ts";
import type { ConfigJson, ModelType } from "./plain-model/config-json.ts";
import { definitionOf } from "./plain-model/definition.ts";
import { meanLoss } from "./plain-model/model.ts";
import { MODEL_CASES, MODEL_SEED, MODEL_TYPES, SEQUENCE_LENGTH } from "./plain-model/model-cases.ts";
import {
  type GroupMembers,
  type Storage,
  withExpertsOf,
  writeModelFolder,
  writeSlice,
} from "./plain-model/model-folder.ts";
import { randomConfig } from "./plain-model/random-models.ts";
import { randomSequences, randomTensors } from "./plain-model/random-tensors.ts";
import type { PlainTensors } from "./plain-model/tensors.ts";

const NEVER = new AbortController().signal;
const GROUPS = [0, 1];
/** Largest difference from the plain model's mean loss. */
const TOLERANCE = 1e-5;
/** Two batches, of one and of three sequences. */
const all = randomSequences(4, { length: SEQUENCE_LENGTH, vocabulary: 256, seed: 1 });
const batches = [all.slice(0, 1), all.slice(1)];

let directory: string;
let folders = 0;
const engines: Engine[] = [];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "assay-architectures-"));
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.release();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(MODEL_TYPES)("%s has the plain model's loss, as it is and with any group's slice", (type) => {
  test.each(casesOf(type))("$option", async ({ option: _, ...files }) => {
    await expectPlainLosses(files, evenly(files.config));
  });

  test.each(["inputs_first", "outputs_first"] as const)(
    "experts stacked, %s, also where blocks are square",
    async (stacks) => {
      const storage = { dtype: "BF16", shards: 2, stacks } as const;
      for (const width of [12, 20, 24]) {
        const config = withExpertWidth(BASE_CONFIGS[type], width);
        await expectPlainLosses({ config, storage }, evenly(config));
      }
    },
  );

  test.each([null, "inputs_first", "outputs_first"] as const)(
    "groups from an assignment, experts stacked: %s",
    async (stacks) => {
      const config = BASE_CONFIGS[type];
      const files = { config, storage: { dtype: "F32", shards: 1, stacks } } as const;
      await expectPlainLosses(files, everySecondExpert(config));
      await expectPlainLosses(files, oneExpertEach(config));
    },
  );
});

describe.each(MODEL_TYPES)("%s refuses", (type) => {
  const config = BASE_CONFIGS[type];
  const experts = expertsOf(config);
  const half = experts.length / 2;

  test.each<readonly [string, GroupMembers, RegExp | undefined]>([
    ["a slice with an expert missing", () => experts.slice(1, half), undefined],
    ["a slice of all experts", () => experts, undefined],
    ["a slice with a router", () => experts.slice(0, half), /[.]gate[.]weight$/],
    ["a slice with an output head", () => experts.slice(0, half), /^lm_head[.]/],
    ["a slice with a norm", () => experts.slice(0, half), /layers[.]1[.]input_layernorm[.]/],
  ])("%s", async (_, members, others) => {
    const model = await openModel({ config, storage: plainStorage(type) }, GROUPS.length);
    const slice = await model.slice(model.tensors, members, others);

    await expect(model.losses(0, slice)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });
  });

  // Rows of a stack do not say whose they are.
  test.skipIf(hubStacks(type) !== null)("another group's slice", async () => {
    const model = await openModel({ config, storage: plainStorage(type) }, GROUPS.length);
    const slice = await model.slice(model.tensors, evenly(config).membersOf(1));

    await expect(model.losses(0, slice)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });
  });
});

interface ModelFiles {
  readonly config: ConfigJson;
  readonly storage: Storage;
}

/** A model in a folder, an engine on it, and another model of the same shape to take experts from. */
interface OpenModel {
  readonly tensors: PlainTensors;
  readonly other: PlainTensors;
  /** Mean loss of each batch. */
  losses(group: number, submission?: EvaluationRequest["submission"]): Promise<readonly number[]>;
  slice(tensors: PlainTensors, members: GroupMembers, others?: RegExp): Promise<EvaluationRequest["submission"]>;
}

/** How experts are cut into two groups: as the engine is told, and whose experts those are. */
interface Cut {
  readonly groups: ExpertGroups;
  readonly membersOf: (group: number) => GroupMembers;
}

/** Every option, in files of every kind in turn; and options at random. */
function casesOf(type: ModelType) {
  const options = MODEL_CASES.filter((each) => each.type === type);
  const random = [1, 2, 3, 4].map((seed) => ({ option: `at random, ${seed}`, config: randomConfig(type, seed) }));
  return [...options, ...random].map(({ option, config }, index) => {
    const dtype = (["F32", "BF16", "F16"] as const)[index % 3] ?? "F32";
    return { option, config, storage: { dtype, shards: 1 + (index % 2), stacks: hubStacks(type) } };
  });
}

/** How the architecture's published files hold experts. */
function hubStacks(type: ModelType): Storage["stacks"] {
  return type === "qwen3_vl_moe" ? "inputs_first" : null;
}

/** Storage as the hub has it, in one file of float32. */
function plainStorage(type: ModelType): Storage {
  return { dtype: "F32", shards: 1, stacks: hubStacks(type) };
}

async function expectPlainLosses(files: ModelFiles, { groups, membersOf }: Cut): Promise<void> {
  const model = await openModel(files, groups);
  const plain = (tensors: PlainTensors) => batches.map((batch) => meanLoss(files.config, tensors, batch));
  const base = plain(model.tensors);
  for (const group of GROUPS) {
    const members = membersOf(group);
    const changed = plain(withExpertsOf(model.tensors, model.other, members));
    const before = await model.losses(group);
    expectClose(before, base);
    expectClose(await model.losses(group, await model.slice(model.other, members)), changed);
    expect(await model.losses(group, await model.slice(model.tensors, members))).toEqual(before);
    expect(distance(changed, base)).toBeGreaterThan(100 * TOLERANCE);
  }
}

async function openModel({ config, storage }: ModelFiles, groups: ExpertGroups): Promise<OpenModel> {
  const [tensors, other] = [randomTensors(config, MODEL_SEED), randomTensors(config, MODEL_SEED + 1)];
  folders += 1;
  const folder = join(directory, `${folders}`);
  await writeModelFolder(folder, { config, tensors }, storage);
  const engine = new Engine({ sequenceLength: SEQUENCE_LENGTH, threads: 1, groups });
  engines.push(engine);
  let slices = 0;
  return {
    tensors,
    other,
    async losses(group, submission) {
      const base = { directory: folder, version: 0 };
      const set = { key: "all", batches: batches.map(engineBatch) };
      const sums = await engine.losses({ base, group, submission: submission ?? null, batches: set }, NEVER);
      return sums.map((sum, batch) => sum / ((batches[batch]?.length ?? 0) * SEQUENCE_LENGTH));
    },
    async slice(from, members, others) {
      slices += 1;
      return await writeSlice(`${folder}-${slices}.safetensors`, { tensors: from, members, others }, storage);
    },
  };
}

function engineBatch(sequences: readonly Uint32Array[]): Batch {
  return {
    sequences: sequences.length,
    sequenceLength: SEQUENCE_LENGTH,
    tokens: Uint32Array.from(sequences.flatMap((sequence) => [...sequence.slice(0, -1)])),
    targets: BigInt64Array.from(
      sequences.flatMap((sequence) => [...sequence.slice(1)]),
      BigInt,
    ),
  };
}

/** Equal blocks of experts, the same in every layer. */
function evenly(config: ConfigJson): Cut {
  const experts = expertsOf(config);
  const size = experts.length / GROUPS.length;
  return {
    groups: GROUPS.length,
    membersOf: (group) => () => experts.slice(group * size, (group + 1) * size),
  };
}

/** Every second expert, the other ones in the next layer; in some layers the last one first. */
function everySecondExpert(config: ConfigJson): Cut {
  const membersOf = (group: number) => (layer: number) => {
    const experts = expertsOf(config).filter((expert) => (expert + layer) % 2 === group);
    return layer === 1 ? experts.reverse() : experts;
  };
  return { groups: { groups: assignments(config, membersOf), unassigned: "refuse" }, membersOf };
}

/** The other experts belong to nobody. */
function oneExpertEach(config: ConfigJson): Cut {
  const membersOf = (group: number) => (layer: number) => [group + layer];
  return { groups: { groups: assignments(config, membersOf), unassigned: "freeze" }, membersOf };
}

function assignments(config: ConfigJson, membersOf: Cut["membersOf"]): ExpertAssignment["groups"] {
  const ofLayer = (group: number, layer: number) =>
    membersOf(group)(layer).map((expert, own) => [own, expert] as const);
  return new Map(
    GROUPS.map((group) => [group, new Map(routedLayers(config).map((layer) => [layer, ofLayer(group, layer)]))]),
  );
}

function withExpertWidth(config: ConfigJson, width: number): ConfigJson {
  const field =
    (config.text_config ?? config).moe_intermediate_size === undefined ? "intermediate_size" : "moe_intermediate_size";
  return withFields(config, { [field]: width });
}

function routedLayers(config: ConfigJson): readonly number[] {
  const { layers, feedForward } = definitionOf(config);
  return [...Array(layers).keys()].filter((layer) => feedForward(layer) !== null);
}

function expertsOf(config: ConfigJson): number[] {
  const [layer = -1] = routedLayers(config);
  return [...Array(definitionOf(config).feedForward(layer)?.routing.experts).keys()];
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expect(distance(actual, expected)).toBeLessThan(TOLERANCE);
}

function distance(left: readonly number[], right: readonly number[]): number {
  return Math.max(...left.map((value, index) => Math.abs(value - (right[index] ?? Number.NaN))));
}
