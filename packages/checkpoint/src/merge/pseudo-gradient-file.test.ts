import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { expertName, writeTinyModel } from "../../test/tiny-model.ts";
import { openModelSource } from "../model/model-source.ts";
import { float32Source, writeSafetensors } from "../safetensors/write.ts";
import { ChunkSummary } from "./chunk-summary.ts";
import { squaredDistance, writePseudoGradient } from "./pseudo-gradient-file.ts";

const [A, B] = [expertName(0, 0), expertName(0, 1)];
type Values = Readonly<Record<string, readonly number[]>>;

function tensors(values: Values) {
  return Object.entries(values).map(([name, each]) => float32Source(name, [each.length], Float32Array.from(each)));
}

/** A model of one group, and submissions for it. */
async function stage(base: Values, submissions: readonly Values[]) {
  const folder = await temporaryFolder();
  const model = await writeTinyModel(join(folder, "model"), tensors(base));
  const { experts, groups } = await openModelSource(model, { groups: 1 });
  const layout = groups.get(0);
  if (layout === undefined) throw new Error("no group 0");
  const paths = submissions.map((_, index) => join(folder, `s${index}`));
  for (const [index, path] of paths.entries()) await writeSafetensors(path, tensors(submissions[index] ?? {}));
  return { folder, paths, layout, base: experts, output: join(folder, "gradient") };
}

test("the values of all tensors follow each other in the order of the group's file", async () => {
  const { paths, ...request } = await stage({ [A]: [1, 2], [B]: [10, 0] }, [
    { [A]: [0, 2], [B]: [7, 0] },
    { [A]: [0, 6], [B]: [9, 2] },
  ]);
  const submissions = [
    { path: paths[0] ?? "", share: 3 },
    { path: paths[1] ?? "", share: 1 },
  ];
  const written = await writePseudoGradient({ ...request, submissions });
  const bytes = await readFile(request.output);
  expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 4)]).toEqual([1, -1, 2.5, -0.5]);
  expect(written).toMatchObject({ values: 4, squares: 8.5, chunks: [{ squares: 8.5 }] });
});

test("a value that is not finite names the submission that it came with, and leaves no file", async () => {
  const { paths, folder, ...request } = await stage({ [A]: [1] }, [{ [A]: [1] }, { [A]: [Number.NaN] }]);
  const submissions = paths.map((path) => ({ path, share: 1 }));
  await expect(writePseudoGradient({ ...request, submissions })).rejects.toMatchObject({
    code: "CHECKPOINT_MERGE_NON_FINITE",
    fields: { tensor: A, submission: paths[1] },
  });
  expect(await readdir(folder)).toEqual(["model", "s0", "s1"]);
});

test("how far a submission went is the sum of the squares of all its differences", async () => {
  const { paths, ...request } = await stage({ [A]: [1, 2], [B]: [3, 3] }, [{ [A]: [4, 2], [B]: [-1, 3] }]);
  expect(await squaredDistance(request, paths[0] ?? "")).toBe(9 + 16);
});

test("chunks are cut at the same places however the values come", () => {
  const values = Float32Array.from({ length: CHUNK_VALUES + 5 }, (_, index) => index % 7);
  const whole = new ChunkSummary();
  whole.add(values);
  const pieces = new ChunkSummary();
  for (const [begin, end] of [
    [0, 3],
    [3, CHUNK_VALUES - 1],
    [CHUNK_VALUES - 1, CHUNK_VALUES + 2],
    [CHUNK_VALUES + 2, values.length],
  ] as const) {
    pieces.add(values.subarray(begin, end));
  }
  const summary = whole.finish();
  expect(pieces.finish()).toEqual(summary);
  expect(summary.values).toBe(CHUNK_VALUES + 5);
  expect(summary.chunks).toHaveLength(2);
  const squares = [...values.subarray(CHUNK_VALUES)].map((value) => value * value);
  expect(summary.chunks[1]?.squares).toBe(squares.reduce((sum, square) => sum + square, 0));
});
