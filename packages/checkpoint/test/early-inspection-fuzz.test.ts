import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EarlyInspection } from "../src/inbox/early-inspection.ts";
import { inspectSubmission } from "../src/inspect.ts";
import type { TensorShape } from "../src/safetensors/dtype.ts";
import { parseHeaderBeginning, TRUSTED_LIMITS } from "../src/safetensors/header.ts";
import { brokenCases, encode, validCases } from "./safetensors-cases.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const runs = (numRuns: number) => ({ numRuns, seed: 21_000 });

/** The first fault of a file that comes in pieces of these lengths, again and again; null when there is none. */
function faultOf(
  bytes: Uint8Array,
  expected: ReadonlyMap<string, TensorShape>,
  lengths: readonly number[],
  declaredBytes: number | null,
) {
  const inspection = new EarlyInspection(expected, declaredBytes);
  for (let begin = 0, piece = 0; begin < bytes.length; piece += 1) {
    const end = begin + (lengths[piece % lengths.length] ?? 1);
    const fault = inspection.take(bytes.subarray(begin, end));
    if (fault !== null) return fault;
    begin = end;
  }
  return inspection.end();
}

const pieces = () => fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });

test("what is cut off early is what the inspection of the whole file would refuse, and nothing else", async () => {
  const path = join(await temporaryFolder(), "submission.safetensors");
  const verdicts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(brokenCases(), pieces(), async ({ bytes, tensors }, lengths) => {
      await writeFile(path, bytes);
      const expectedSha256 = createHash("sha256").update(bytes).digest("hex");
      const whole = await inspectSubmission({ path, expected: tensors, expectedSha256 });
      const judgedByValues = whole.kind === "accepted" || whole.reason === "non_finite_weights";
      const declared = faultOf(bytes, tensors, lengths, bytes.length);
      const undeclared = faultOf(bytes, tensors, lengths, null);
      expect([declared === null, undeclared === null]).toEqual([judgedByValues, judgedByValues]);
      if (whole.kind === "rejected" && declared !== null && whole.reason !== "too_large") {
        expect(declared).toEqual({ reason: whole.reason, detail: declared.detail });
      }
      const verdict = declared?.reason ?? "taken";
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }),
    runs(2_000),
  );
  expect([...verdicts.keys()].sort()).toEqual([
    "dtype_mismatch",
    "malformed",
    "shape_mismatch",
    "taken",
    "tensor_set_mismatch",
  ]);
});

test("every beginning of a valid header may still become one, and states no tensor that the whole does not", () => {
  fc.assert(
    fc.property(validCases(), fc.nat(), (valid, cut) => {
      const whole = encode(valid);
      const headerEnd = whole.length - valid.values.length;
      const beginning = whole.subarray(0, 9 + (cut % (headerEnd - 9)));
      const parsed = parseHeaderBeginning(beginning, TRUSTED_LIMITS);
      expect(parsed.kind).toBe("parsed");
      const stated = parsed.kind === "parsed" ? [...parsed.tensors.keys()] : [];
      expect(stated.filter((name) => !valid.tensors.has(name))).toEqual([]);
    }),
    runs(2_000),
  );
});
