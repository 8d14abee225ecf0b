import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inspectSubmission } from "../src/inspect.ts";
import type { TensorShape } from "../src/safetensors/dtype.ts";
import { type HeaderResult, limitsFor, parseHeader } from "../src/safetensors/header.ts";
import { brokenCases, encode, headersOfPieces, validCases } from "./safetensors-cases.ts";
import { isFiniteByOracle, tensorsByOracle } from "./safetensors-oracle.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** 20,000 cases in all, the same ones on every run. */
const CASES = { valid: 1000, random: 3000, pieces: 4000, broken: 10_500, files: 1500 } as const;
const SEED = 20_000;
const MAX_CPU_MILLIS = 50;
const runs = (numRuns: number) => ({ numRuns, seed: SEED });

const NO_TENSORS: ReadonlyMap<string, TensorShape> = new Map();

/**
 * Fails on a case that costs more processor time than the limit. What the runtime itself does meanwhile (compiling,
 * collecting garbage) counts too, so a case is slow only if it is slow three times.
 */
async function inTime<T>(work: () => T | Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 <= MAX_CPU_MILLIS) return result;
    if (attempt === 3) throw new Error(`took ${(user + system) / 1000} ms of processor time`);
  }
}

async function parse(bytes: Uint8Array, expected: ReadonlyMap<string, TensorShape>): Promise<HeaderResult> {
  return await inTime(() => parseHeader(bytes, limitsFor(expected)));
}

/** What is accepted must be what the oracle reads; what is refused must say why. */
function expectSound(result: HeaderResult, bytes: Uint8Array): void {
  if (result.kind === "rejected") {
    expect(result.detail).toMatch(/^[^\p{Cc}]{5,300}$/u);
    return;
  }
  const tensors = [...result.header.tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const);
  expect(tensors).toEqual([...(tensorsByOracle(bytes) ?? [["refused", {}]])]);
}

test("valid files are accepted and read as they were meant", async () => {
  await fc.assert(
    fc.asyncProperty(validCases(), async (valid) => {
      const result = await parse(encode(valid), valid.tensors);
      expect(result.kind).toBe("parsed");
      expectSound(result, encode(valid));
      expect(result.kind === "parsed" && [...result.header.tensors.keys()]).toEqual([...valid.tensors.keys()]);
    }),
    runs(CASES.valid),
  );
});

test("random bytes are refused", async () => {
  const prefixed = fc.uint8Array({ maxLength: 300 }).map((bytes) => {
    const file = new Uint8Array(9 + bytes.length);
    file.set([bytes.length % 256, 0, 0, 0, 0, 0, 0, 0, 0x7b]);
    file.set(bytes, 9);
    return file;
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 400 }), prefixed), async (bytes) => {
      expectSound(await parse(bytes, NO_TENSORS), bytes);
    }),
    runs(CASES.random),
  );
});

test("headers of shuffled pieces are accepted only if they are valid", async () => {
  await fc.assert(
    fc.asyncProperty(headersOfPieces(), async (bytes) => {
      expectSound(await parse(bytes, NO_TENSORS), bytes);
    }),
    runs(CASES.pieces),
  );
});

test("valid files after a few changes are accepted only if they are still valid", async () => {
  const kinds = { parsed: 0, rejected: 0 };
  await fc.assert(
    fc.asyncProperty(brokenCases(), async ({ bytes, tensors }) => {
      const result = await parse(bytes, tensors);
      kinds[result.kind] += 1;
      expectSound(result, bytes);
    }),
    runs(CASES.broken),
  );
  expect(kinds.parsed).toBeGreaterThan(500);
  expect(kinds.rejected).toBeGreaterThan(5000);
});

test("files on disk are accepted only with the expected tensors and finite values", async () => {
  const path = join(await temporaryFolder(), "submission.safetensors");
  const reasons = new Set<string>();
  await fc.assert(
    fc.asyncProperty(brokenCases(), async ({ bytes, tensors }) => {
      await writeFile(path, bytes);
      const expectedSha256 = createHash("sha256").update(bytes).digest("hex");
      const inspection = await inTime(() => inspectSubmission({ path, expected: tensors, expectedSha256 }));
      reasons.add(inspection.kind === "accepted" ? inspection.kind : inspection.reason);
      if (inspection.kind === "rejected") return;
      const read = tensorsByOracle(bytes);
      expect(new Map([...(read ?? [])].sort())).toEqual(new Map([...tensors].sort()));
      expect(isFiniteByOracle(bytes, read ?? NO_TENSORS)).toBe(true);
    }),
    runs(CASES.files),
  );
  expect([...reasons].sort()).toEqual([
    "accepted",
    "dtype_mismatch",
    "malformed",
    "non_finite_weights",
    "shape_mismatch",
    "tensor_set_mismatch",
    "too_large",
  ]);
});
