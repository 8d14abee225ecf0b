import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { expertName, writeTinyModel } from "../../test/tiny-model.ts";
import { sha256File } from "../digest.ts";
import { type ModelSource, openModelSource, openSlice } from "../model/model-source.ts";
import { readTensors } from "../safetensors/read.ts";
import { float32Source, type TensorSource, writeSafetensors } from "../safetensors/write.ts";
import { gradientInFile } from "./gradient-reader.ts";
import { writePseudoGradient } from "./pseudo-gradient-file.ts";
import { type StepGroupRequest, type SteppedGroup, stepGroup } from "./step-group.ts";

const optimiser = { learningRate: 0.7, momentumFactor: 0.9 };
const [A, B] = [expertName(0, 0), expertName(0, 1)];
const STACK = "model.layers.0.mlp.experts.down_proj";

/** The experts that a model of one group consists of. */
function onlyGroup({ experts, groups }: ModelSource) {
  const layout = groups.get(0);
  if (layout === undefined) throw new Error("no group 0");
  return { base: experts, layout };
}

async function files(base: readonly TensorSource[], submission: readonly TensorSource[]) {
  const folder = await temporaryFolder();
  await writeSafetensors(join(folder, "submission"), submission);
  return {
    folder,
    ...onlyGroup(await openModelSource(await writeTinyModel(join(folder, "base"), base), { groups: 1 })),
    submission: join(folder, "submission"),
    output: join(folder, "out", "group"),
    momentumOutput: join(folder, "out", "momentum"),
  };
}

/** The merge of one submission: its pseudo-gradient, then the step. */
async function mergeGroup({
  submission,
  ...request
}: Omit<StepGroupRequest, "gradient"> & { readonly submission: string }): Promise<SteppedGroup> {
  const gradient = join(await temporaryFolder(), "gradient");
  const { layout, base } = request;
  await writePseudoGradient({ layout, base, submissions: [{ path: submission, share: 1 }], output: gradient });
  return await stepGroup({ ...request, gradient: await gradientInFile(gradient) });
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
  const model = await writeTinyModel(join(folder, "model"), [float32Source(A, [1], Float32Array.of(1))]);
  const { base: imported, layout } = onlyGroup(await openModelSource(model, { groups: 1 }));
  let base: Pick<ModelSource["experts"], "of"> = imported;
  for (const [step, { submitted, theta }] of steps.entries()) {
    await writeSafetensors(join(folder, `s${step}`), [float32Source(A, [1], Float32Array.of(submitted))]);
    const output = join(folder, `base${step + 1}`);
    await mergeGroup({
      ...optimiser,
      base,
      layout,
      submission: join(folder, `s${step}`),
      momentum: step === 0 ? null : join(folder, `m${step}`),
      output,
      momentumOutput: join(folder, `m${step + 1}`),
    });
    expect((await valuesOf(output, A))[0]).toBeCloseTo(theta, 5);
    base = await openSlice(output, layout);
  }
});

test("stacked experts are merged expert by expert into one tensor", async () => {
  const stack = (values: readonly number[]) => float32Source(STACK, [2, 1, 2], Float32Array.from(values));
  const { folder: _folder, ...paths } = await files([stack([1, 2, 3, 4])], [stack([0, 2, 3, 0])]);
  await mergeGroup({ ...optimiser, ...paths, momentum: null });
  const merged = await readTensors(paths.output);
  expect(merged.tensors.get(STACK)?.shape).toEqual([2, 1, 2]);
  // One Nesterov step from zero momentum: lr (1 + mu) = 1.33 of the whole way.
  const expected = [1 - 1.33, 2, 3, 4 - 4 * 1.33];
  for (const [index, value] of (await valuesOf(paths.output, STACK)).entries()) {
    expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 5);
  }
  expect(await valuesOf(paths.momentumOutput, STACK)).toEqual([1, 0, 0, 4]);
});

test("the result has the base's tensors and the digests that were returned", async () => {
  const tensors = [float32Source(B, [2], Float32Array.of(1, 2)), float32Source(A, [2], Float32Array.of(3, 4))];
  const { folder, ...paths } = await files(tensors, tensors);
  const merged = await mergeGroup({ ...optimiser, ...paths, momentum: null });
  expect(await valuesOf(paths.output, B)).toEqual([1, 2]);
  expect(await valuesOf(paths.momentumOutput, B)).toEqual([0, 0]);
  expect(merged).toEqual({
    group: await sha256File(paths.output),
    momentum: await sha256File(paths.momentumOutput),
  });
  expect(await readdir(join(folder, "out"))).toEqual(["group", "momentum"]);
});

test("a bfloat16 group stays bfloat16 while its momentum is float32", async () => {
  const tensor = (bytes: readonly number[]): TensorSource => ({
    name: A,
    dtype: "BF16",
    shape: [1],
    chunks: () => [Uint8Array.from(bytes)],
  });
  const { folder: _folder, ...paths } = await files([tensor([0x80, 0x3f])], [tensor([0x00, 0x3f])]);
  const merged = await mergeGroup({ ...optimiser, ...paths, momentum: null });
  expect(await valuesOf(paths.output, A)).toEqual([0.3359375]);
  expect(await valuesOf(paths.momentumOutput, A)).toEqual([0.5]);
  expect(merged.group.bytes).toBe(merged.momentum.bytes - 2);
});

test.each([
  ["a NaN in the submission", 1, Number.NaN],
  ["an infinity in the submission", 1, Number.NEGATIVE_INFINITY],
  ["a step that overflows", 3e38, -3e38],
])("%s refuses the merge and leaves nothing behind", async (_name, base, submitted) => {
  const { folder, ...paths } = await files(
    [float32Source(A, [1], Float32Array.of(1)), float32Source(B, [1], Float32Array.of(base))],
    [float32Source(A, [1], Float32Array.of(1)), float32Source(B, [1], Float32Array.of(submitted))],
  );
  await expect(mergeGroup({ ...optimiser, ...paths, momentum: null })).rejects.toMatchObject({
    code: "CHECKPOINT_MERGE_NON_FINITE",
    fields: { tensor: B },
  });
  const left = await readdir(folder, { recursive: true });
  expect(left.filter((path) => path.startsWith(join("out", "")))).toEqual([]);
});

test("files with other tensors are not merged", async () => {
  const { folder: _folder, ...paths } = await files(
    [float32Source(A, [2], Float32Array.of(1, 2))],
    [float32Source(A, [1, 2], Float32Array.of(1, 2))],
  );
  await expect(mergeGroup({ ...optimiser, ...paths, momentum: null })).rejects.toMatchObject({
    code: "CHECKPOINT_TENSORS_DIFFER",
  });
});
