import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Batch } from "../text/batches.ts";
import { batchesOf, readTokens, tokenDigest, tokenRows, writeTokens } from "./batch-file.ts";

/** Three sequences of four tokens, the last in a batch of its own. */
const BATCHES: readonly Batch[] = [
  {
    sequences: 2,
    sequenceLength: 3,
    tokens: Uint32Array.of(1, 2, 3, 11, 12, 13),
    targets: BigInt64Array.of(2n, 3n, 4n, 12n, 13n, 14n),
  },
  { sequences: 1, sequenceLength: 3, tokens: Uint32Array.of(21, 22, 23), targets: BigInt64Array.of(22n, 23n, 70_000n) },
];

async function folder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "assay-batches-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test("a row is a sequence and the last position's target", () => {
  const rows = tokenRows(BATCHES);
  expect([...rows.values]).toEqual([1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 70_000]);
  expect(rows).toMatchObject({ columns: 4, sequences: [2, 1] });
  expect(batchesOf(rows)).toEqual(BATCHES);
});

test("a file holds the rows and nothing else", async () => {
  const path = join(await folder(), "batches.safetensors");
  await writeTokens(path, tokenRows(BATCHES));
  const bytes = await readFile(path);
  expect(bytes.toString("latin1")).toContain('"tokens":{"dtype":"I32","shape":[3,4],"data_offsets":[0,48]}');
  expect(bytes.subarray(-4).readInt32LE()).toBe(70_000);
  const rows = await readTokens(path, { sequences: [2, 1], sequenceLength: 3 });
  expect(batchesOf(rows)).toEqual(BATCHES);
});

test.each([
  ["rows", { sequences: [2, 2], sequenceLength: 3 }],
  ["length", { sequences: [2, 1], sequenceLength: 4 }],
])("another number of %s than the file has is no request", async (_what, said) => {
  const path = join(await folder(), "batches.safetensors");
  await writeTokens(path, tokenRows(BATCHES));
  await expect(readTokens(path, said)).rejects.toMatchObject({ code: "EVALUATION_BACKEND_PROTOCOL" });
});

test("the same values in other rows have another name", () => {
  const { values } = tokenRows(BATCHES);
  const wide = tokenDigest({ values, columns: 6, sequences: [2] });
  expect(tokenDigest({ values, columns: 4, sequences: [3] })).not.toBe(wide);
  expect(tokenDigest({ values, columns: 6, sequences: [1, 1] })).toBe(wide);
});

test("sequences of different lengths are a caller's bug", () => {
  const longer = { ...BATCHES[1], sequenceLength: 4 } as Batch;
  expect(() => tokenRows([...BATCHES, longer])).toThrow(RangeError);
});
