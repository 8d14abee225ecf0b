import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { sha256File } from "./digest.ts";
import { inspectSubmission, largestSubmission } from "./inspect.ts";
import type { TensorShape } from "./safetensors/dtype.ts";
import { float32Source, type TensorSource, writeSafetensors } from "./safetensors/write.ts";

const expected: ReadonlyMap<string, TensorShape> = new Map([
  ["e.0", { dtype: "F32", shape: [2, 2] }],
  ["e.1", { dtype: "F32", shape: [2] }],
]);
const first = float32Source("e.0", [2, 2], Float32Array.of(1, 2, 3, 4));
const second = float32Source("e.1", [2], Float32Array.of(5, 6));

async function submission(tensors: readonly TensorSource[]): Promise<string> {
  const path = join(await temporaryFolder(), "s.safetensors");
  await writeSafetensors(path, tensors);
  return path;
}

async function inspectCommitted(path: string) {
  return await inspectSubmission({ path, expected, expectedSha256: (await sha256File(path)).sha256 });
}

test("a submission of the group's tensors with the committed hash is accepted", async () => {
  const path = await submission([second, first]);
  const digest = await sha256File(path);
  expect(await inspectCommitted(path)).toEqual({ kind: "accepted", ...digest });
});

describe("is rejected", () => {
  test("for its size before it is hashed", async () => {
    const path = await submission([first, second]);
    await writeFile(path, new Uint8Array(largestSubmission(expected) + 1));
    expect(await inspectSubmission({ path, expected, expectedSha256: "00" })).toEqual({
      kind: "rejected",
      reason: "too_large",
      detail: "66513 bytes, at most 66512 are possible",
    });
  });

  test("for another hash before it is parsed", async () => {
    const path = await submission([first]);
    await writeFile(path, "abc");
    expect(await inspectSubmission({ path, expected, expectedSha256: "00" })).toEqual({
      kind: "rejected",
      reason: "hash_mismatch",
      detail: "committed 00, got ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    });
  });

  test("for bytes that are not safetensors", async () => {
    const path = await submission([first, second]);
    await appendFile(path, "x");
    expect(await inspectCommitted(path)).toEqual({
      kind: "rejected",
      reason: "malformed",
      detail: "1 bytes after the last tensor",
    });
  });

  const infinite = float32Source("e.1", [2], Float32Array.of(5, Number.POSITIVE_INFINITY));
  const half: TensorSource = { name: "e.1", dtype: "BF16", shape: [2], chunks: () => [new Uint8Array(4)] };
  const router = float32Source("model.layers.0.mlp.gate.weight", [1], new Float32Array(1));
  const wide = float32Source("e.1", [1, 2], Float32Array.of(5, 6));

  test.each([
    ["a missing tensor", [first], "tensor_set_mismatch", 'missing tensor "e.1"'],
    [
      "a foreign tensor",
      [first, second, router],
      "tensor_set_mismatch",
      'unexpected tensor "model.layers.0.mlp.gate.weight"',
    ],
    ["another shape", [first, wide], "shape_mismatch", 'tensor "e.1" is [1,2], expected [2]'],
    ["another dtype", [first, half], "dtype_mismatch", 'tensor "e.1" is BF16, expected F32'],
    [
      "a value that is not finite",
      [first, infinite],
      "non_finite_weights",
      'tensor "e.1" holds a value that is NaN or infinite',
    ],
    ["no tensor at all", [], "tensor_set_mismatch", 'missing tensor "e.0"'],
  ])("for %s", async (_name, tensors, reason, detail) => {
    expect(await inspectCommitted(await submission(tensors))).toEqual({ kind: "rejected", reason, detail });
  });
});

test("a file that is not there is our failure, not the miner's", async () => {
  const path = join(await temporaryFolder(), "none");
  await expect(inspectSubmission({ path, expected, expectedSha256: "00" })).rejects.toMatchObject({ code: "ENOENT" });
});
