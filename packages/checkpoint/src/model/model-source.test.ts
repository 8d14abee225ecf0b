import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { expertName, tinyTensors, writeGroupFile, writeTinyModel } from "../../test/tiny-model.ts";
import type { TensorPlace } from "../safetensors/tensor-place.ts";
import { float32Source, type TensorSource, writeSafetensors } from "../safetensors/write.ts";
import { openModelSource, openSlice } from "./model-source.ts";

const GATE_UP = "model.language_model.layers.1.mlp.experts.gate_up_proj";
const DOWN = "model.language_model.layers.1.mlp.experts.down_proj";

/** Four experts stacked in one layer: gate_up [4, 2, 3] counting from 0, down [4, 1, 2] counting from 100. */
function stackedTensors(): readonly TensorSource[] {
  return [
    float32Source(
      GATE_UP,
      [4, 2, 3],
      Float32Array.from({ length: 24 }, (_, index) => index),
    ),
    float32Source(
      DOWN,
      [4, 1, 2],
      Float32Array.from({ length: 8 }, (_, index) => 100 + index),
    ),
    float32Source("model.visual.pos_embed.weight", [2], Float32Array.of(1, 2)),
  ];
}

async function model(tensors: readonly TensorSource[] = tinyTensors()): Promise<string> {
  return await writeTinyModel(join(await temporaryFolder(), "model"), tensors);
}

/** The float32 values at a place. */
async function valuesAt(place: TensorPlace | undefined): Promise<readonly number[]> {
  if (place === undefined) return [];
  const bytes = await readFile(place.path);
  const count = place.shape.reduce((product, length) => product * length, 1);
  return Array.from({ length: count }, (_, index) => bytes.readFloatLE(place.offset + 4 * index));
}

describe("a plain folder", () => {
  test("gives every tensor's place, with experts apart from what is shared", async () => {
    const directory = await model();
    const source = await openModelSource(directory, { groups: 2 });
    expect(source.config).toEqual({ num_experts: 4 });
    expect([...source.shared.keys()].sort()).toEqual(["model.embed_tokens.weight", "model.layers.0.mlp.gate.weight"]);
    expect(source.experts.layers).toEqual(
      new Map([
        [0, 4],
        [1, 4],
      ]),
    );
    const expert = source.experts.of(1, 3);
    expect([...expert.keys()]).toEqual([expertName(1, 3)]);
    expect(expert.get(expertName(1, 3))).toMatchObject({
      dtype: "F32",
      shape: [2],
      path: join(directory, "model.safetensors"),
    });
    expect(await valuesAt(expert.get(expertName(1, 3)))).toEqual([13, 13]);
    expect(await valuesAt(source.shared.get("model.layers.0.mlp.gate.weight"))).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect([...source.groups.keys()]).toEqual([0, 1]);
    expect(source.groups.get(1)?.experts).toEqual(
      new Map([
        [0, [2, 3]],
        [1, [2, 3]],
      ]),
    );
    expect([...(source.groups.get(1)?.tensors ?? [])]).toEqual(
      [expertName(0, 2), expertName(0, 3), expertName(1, 2), expertName(1, 3)].map((name) => [
        name,
        { dtype: "F32", shape: [2] },
      ]),
    );
  });

  test("may be cut into shards with an index, and stay uncut", async () => {
    const directory = join(await temporaryFolder(), "shards");
    await mkdir(directory);
    await writeFile(join(directory, "config.json"), "{}");
    const shards = { "a.safetensors": tinyTensors().slice(0, 4), "b.safetensors": tinyTensors().slice(4) };
    for (const [file, tensors] of Object.entries(shards)) await writeSafetensors(join(directory, file), tensors);
    const names = Object.entries(shards).flatMap(([file, tensors]) => tensors.map(({ name }) => [name, file]));
    const index = JSON.stringify({ weight_map: Object.fromEntries(names) });
    await writeFile(join(directory, "model.safetensors.index.json"), index);
    await writeFile(join(directory, "left-over.safetensors"), "not read");
    const source = await openModelSource(directory);
    expect(source.groups.size).toBe(0);
    expect(source.experts.of(0, 0).get(expertName(0, 0))?.path).toBe(join(directory, "a.safetensors"));
    expect(await valuesAt(source.experts.of(1, 2).get(expertName(1, 2)))).toEqual([12, 12]);
  });

  test("of stacked experts gives each expert's block", async () => {
    const source = await openModelSource(await model(stackedTensors()), { groups: 2 });
    expect([...source.shared.keys()]).toEqual(["model.visual.pos_embed.weight"]);
    expect(source.experts.layers).toEqual(new Map([[1, 4]]));
    const expert = source.experts.of(1, 2);
    expect(expert.get(GATE_UP)?.shape).toEqual([2, 3]);
    expect(await valuesAt(expert.get(GATE_UP))).toEqual([12, 13, 14, 15, 16, 17]);
    expect(await valuesAt(expert.get(DOWN))).toEqual([104, 105]);
    expect(source.groups.get(0)?.tensors).toEqual(
      new Map([
        [GATE_UP, { dtype: "F32", shape: [2, 2, 3] }],
        [DOWN, { dtype: "F32", shape: [2, 1, 2] }],
      ]),
    );
  });

  test.each([
    [2, 0],
    [0, 4],
    [0, -1],
    [0, 0.5],
  ])("has no expert of layer %d with number %d", async (layer, expert) => {
    const source = await openModelSource(await model());
    expect(() => source.experts.of(layer, expert)).toThrow(RangeError);
    const stacked = await openModelSource(await model(stackedTensors()));
    expect(() => stacked.experts.of(layer === 0 ? 1 : layer, expert)).toThrow(RangeError);
  });

  const zeros = (name: string, shape: readonly number[]) => float32Source(name, shape, new Float32Array(2));
  test.each([
    ["a hole in the numbers of the experts", [zeros(expertName(0, 0), [2]), zeros(expertName(0, 2), [2])]],
    ["experts of different shapes", [zeros(expertName(0, 0), [2]), zeros(expertName(0, 1), [1, 2])]],
    [
      "an expert that is stacked and apart",
      [zeros(expertName(0, 0), [2]), zeros("model.layers.0.mlp.experts.down_proj", [2, 1])],
    ],
    ["stacks of different heights", [zeros(GATE_UP, [2, 1]), zeros(DOWN, [1, 2])]],
    ["a stack without experts", [zeros(GATE_UP, [2])]],
    ["an expert's tensor of unknown name", [zeros("model.layers.0.mlp.experts.0.bias", [2])]],
  ])("with %s is refused", async (_name, tensors) => {
    await expect(openModelSource(await model(tensors))).rejects.toMatchObject({ code: "CHECKPOINT_MODEL_INVALID" });
  });

  test.each([
    ["A tensor is not in the index", "model.safetensors", tinyTensors().slice(1)],
    [
      "The index names a file that does not hold the tensor",
      "model.safetensors",
      [...tinyTensors(), zeros("more", [2])],
    ],
    ["A file that the index names is missing", "none.safetensors", tinyTensors()],
  ])("is refused when the index is wrong: %s", async (message, file, named) => {
    const directory = await model();
    const index = JSON.stringify({ weight_map: Object.fromEntries(named.map(({ name }) => [name, file])) });
    await writeFile(join(directory, "model.safetensors.index.json"), index);
    await expect(openModelSource(directory)).rejects.toMatchObject({ code: "CHECKPOINT_MODEL_INVALID", message });
  });

  test("with a configuration that does not parse is refused", async () => {
    const directory = await model();
    await writeFile(join(directory, "config.json"), "{");
    await expect(openModelSource(directory)).rejects.toMatchObject({ code: "CHECKPOINT_MODEL_INVALID" });
    const missing = openModelSource(join(directory, "none"));
    await expect(missing).rejects.toMatchObject({ code: "CHECKPOINT_MODEL_INVALID" });
  });
});

test("a version's folder gives its shared file and its groups", async () => {
  const directory = await temporaryFolder();
  await writeFile(join(directory, "config.json"), "{}");
  await writeSafetensors(join(directory, "shared.safetensors"), tinyTensors().slice(0, 2));
  await writeGroupFile(join(directory, "group-0.safetensors"), [0, 1], 5);
  await writeGroupFile(join(directory, "group-1.safetensors"), [2, 3], 6);
  await writeFile(join(directory, "model.safetensors"), "not read");
  const source = await openModelSource(directory);
  expect([...source.shared.keys()].sort()).toEqual(["model.embed_tokens.weight", "model.layers.0.mlp.gate.weight"]);
  expect(source.groups.get(1)?.experts).toEqual(
    new Map([
      [0, [2, 3]],
      [1, [2, 3]],
    ]),
  );
  expect(source.experts.of(1, 2).get(expertName(1, 2))?.path).toBe(join(directory, "group-1.safetensors"));
  expect(await valuesAt(source.experts.of(0, 1).get(expertName(0, 1)))).toEqual([5, 5]);
});

describe("a slice", () => {
  const pairs = (...experts: readonly number[]) => experts.map((expert, own) => [own, expert] as const);
  const groups = { groups: new Map([[3, new Map([[1, pairs(3, 1)]])]]), unassigned: "freeze" } as const;

  test("of stacked experts holds the group's rows in the group's order", async () => {
    const folder = await temporaryFolder();
    const layout = (await openModelSource(await model(stackedTensors()), { groups })).groups.get(3);
    if (layout === undefined) throw new Error("no group 3");
    const path = join(folder, "slice");
    await writeSafetensors(path, [
      float32Source(
        GATE_UP,
        [2, 2, 3],
        Float32Array.from({ length: 12 }, (_, index) => index),
      ),
      float32Source(DOWN, [2, 1, 2], Float32Array.of(7, 8, 9, 10)),
    ]);
    const slice = await openSlice(path, layout);
    expect(await valuesAt(slice.of(1, 3).get(DOWN))).toEqual([7, 8]);
    expect(await valuesAt(slice.of(1, 1).get(GATE_UP))).toEqual([6, 7, 8, 9, 10, 11]);
    for (const expert of [0, 2]) expect(() => slice.of(1, expert)).toThrow(RangeError);
  });

  test("of single experts holds theirs and no others", async () => {
    const folder = await temporaryFolder();
    const layout = (await openModelSource(await model(), { groups: 2 })).groups.get(0);
    if (layout === undefined) throw new Error("no group 0");
    const slice = await openSlice(await writeGroupFile(join(folder, "slice"), [0, 1], 9), layout);
    expect(await valuesAt(slice.of(1, 1).get(expertName(1, 1)))).toEqual([9, 9]);
    expect(() => slice.of(1, 2)).toThrow(RangeError);
    for (const experts of [[0], [0, 1, 2], [2, 3]]) {
      const path = await writeGroupFile(join(folder, experts.join()), experts, 9);
      await expect(openSlice(path, layout)).rejects.toMatchObject({ code: "CHECKPOINT_TENSORS_DIFFER" });
    }
  });
});
