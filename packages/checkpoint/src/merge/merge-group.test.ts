import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { sha256File } from "../digest.ts";
import { readTensors } from "../safetensors/read.ts";
import { float32Source, type TensorSource, writeSafetensors } from "../safetensors/write.ts";
import { mergeGroup } from "./merge-group.ts";

const optimiser = { learningRate: 0.7, momentumFactor: 0.9 };

async function files(base: readonly TensorSource[], submission: readonly TensorSource[]) {
  const folder = await temporaryFolder();
  await writeSafetensors(join(folder, "base"), base);
  await writeSafetensors(join(folder, "submission"), submission);
  return {
    folder,
    base: join(folder, "base"),
    submission: join(folder, "submission"),
    output: join(folder, "out", "group"),
    momentumOutput: join(folder, "out", "momentum"),
  };
}

async function valuesOf(path: string, name: string): Promise<readonly number[]> {
  return [...((await readTensors(path)).tensors.get(name)?.values ?? [])];
}

test("three steps follow the published trajectory of the outer optimiser", async () => {
  const folder = await temporaryFolder();
  const steps = [
    { submitted: 0.9, theta: 0.867 },
    { submitted: 0.767, theta: 0.6773 },
    { submitted: 0.7273, theta: 0.63607 },
  ];
  await writeSafetensors(join(folder, "base0"), [float32Source("w", [1], Float32Array.of(1))]);
  for (const [step, { submitted, theta }] of steps.entries()) {
    await writeSafetensors(join(folder, `s${step}`), [float32Source("w", [1], Float32Array.of(submitted))]);
    await mergeGroup({
      ...optimiser,
      base: join(folder, `base${step}`),
      submission: join(folder, `s${step}`),
      momentum: step === 0 ? null : join(folder, `m${step}`),
      output: join(folder, `base${step + 1}`),
      momentumOutput: join(folder, `m${step + 1}`),
    });
    expect((await valuesOf(join(folder, `base${step + 1}`), "w"))[0]).toBeCloseTo(theta, 5);
  }
});

test("the result has the base's tensors and the digests that were returned", async () => {
  const tensors = [float32Source("b", [2], Float32Array.of(1, 2)), float32Source("a", [1], Float32Array.of(3))];
  const { folder, ...paths } = await files(tensors, tensors);
  const merged = await mergeGroup({ ...optimiser, ...paths, momentum: null });
  expect(await valuesOf(paths.output, "b")).toEqual([1, 2]);
  expect(await valuesOf(paths.momentumOutput, "b")).toEqual([0, 0]);
  expect(merged).toEqual({
    group: await sha256File(paths.output),
    momentum: await sha256File(paths.momentumOutput),
  });
  expect(await readdir(join(folder, "out"))).toEqual(["group", "momentum"]);
});

test("a bfloat16 group stays bfloat16 while its momentum is float32", async () => {
  const tensor = (bytes: readonly number[]): TensorSource => ({
    name: "w",
    dtype: "BF16",
    shape: [1],
    chunks: () => [Uint8Array.from(bytes)],
  });
  const { folder: _folder, ...paths } = await files([tensor([0x80, 0x3f])], [tensor([0x00, 0x3f])]);
  const merged = await mergeGroup({ ...optimiser, ...paths, momentum: null });
  expect(await valuesOf(paths.output, "w")).toEqual([0.3359375]);
  expect(await valuesOf(paths.momentumOutput, "w")).toEqual([0.5]);
  expect(merged.group.bytes).toBe(merged.momentum.bytes - 2);
});

test.each([
  ["a NaN in the submission", 1, Number.NaN],
  ["an infinity in the submission", 1, Number.NEGATIVE_INFINITY],
  ["a step that overflows", 3e38, -3e38],
])("%s refuses the merge and leaves nothing behind", async (_name, base, submitted) => {
  const { folder, ...paths } = await files(
    [float32Source("a", [1], Float32Array.of(1)), float32Source("w", [1], Float32Array.of(base))],
    [float32Source("a", [1], Float32Array.of(1)), float32Source("w", [1], Float32Array.of(submitted))],
  );
  await expect(mergeGroup({ ...optimiser, ...paths, momentum: null })).rejects.toMatchObject({
    code: "CHECKPOINT_MERGE_NON_FINITE",
    fields: { tensor: "w" },
  });
  expect(await readdir(join(folder, "out"))).toEqual([]);
});

test("files with other tensors are not merged", async () => {
  const { folder: _folder, ...paths } = await files(
    [float32Source("a", [2], Float32Array.of(1, 2))],
    [float32Source("a", [1, 2], Float32Array.of(1, 2))],
  );
  await expect(mergeGroup({ ...optimiser, ...paths, momentum: null })).rejects.toMatchObject({
    code: "CHECKPOINT_TENSORS_DIFFER",
  });
});
