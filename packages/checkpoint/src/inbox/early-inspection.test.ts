import { describe, expect, test } from "vitest";
import type { TensorShape } from "../safetensors/dtype.ts";
import { EarlyInspection } from "./early-inspection.ts";

const EXPECTED: ReadonlyMap<string, TensorShape> = new Map([
  ["a", { dtype: "F32", shape: [2] }],
  ["b", { dtype: "BF16", shape: [2, 2] }],
]);
const A = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const B = '"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}';

function file(header: string, dataBytes = 16): Uint8Array {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([prefix, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

/** As many tensors as it takes for a header of more than 100 kB. */
const MANY: ReadonlyMap<string, TensorShape> = new Map(
  Array.from({ length: 2_000 }, (_, index) => [`layer.${index}`, { dtype: "U8", shape: [1] }]),
);

function headerOfMany(change: (entry: string, index: number) => string = (entry) => entry): string {
  const entries = [...MANY.keys()].map((name, index) =>
    change(`"${name}":{"dtype":"U8","shape":[1],"data_offsets":[${index},${index + 1}]}`, index),
  );
  return `{${entries.join(",")}}`;
}

describe("a submission that may be whole", () => {
  test("is taken, however its bytes are cut", () => {
    const bytes = file(`{${A},${B}}`);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const inspection = new EarlyInspection(EXPECTED, bytes.length);
      expect([inspection.take(bytes.subarray(0, cut)), inspection.take(bytes.subarray(cut)), inspection.end()]).toEqual(
        [null, null, null],
      );
    }
  });

  test("may have a header of more than 100 kB", () => {
    const bytes = file(headerOfMany(), 2_000);
    const inspection = new EarlyInspection(MANY, null);
    expect(bytes.length).toBeGreaterThan(120_000);
    for (let begin = 0; begin < bytes.length; begin += 60_000) {
      expect(inspection.take(bytes.subarray(begin, begin + 60_000))).toBe(null);
    }
    expect(inspection.end()).toBe(null);
  });
});

describe("is cut off", () => {
  test.each([
    ["by a length prefix beyond every header", file("").with(7, 1), "malformed", /^header is longer than \d+ bytes$/],
    ["by text that is no header", file("[1,2,3]"), "malformed", "header does not begin with {"],
    [
      "by a tensor of another group",
      file(`{${A},${B.replace("b", "c")}}`),
      "tensor_set_mismatch",
      'unexpected tensor "c"',
    ],
    ["by a missing tensor", file(`{${A}}`, 8), "tensor_set_mismatch", 'missing tensor "b"'],
    [
      "by another shape",
      file(`{${A},${B.replace("[2,2]", "[4]")}}`),
      "shape_mismatch",
      'tensor "b" is [4], expected [2,2]',
    ],
    [
      "by another dtype",
      file(`{${A},${B.replace("BF16", "F16")}}`),
      "dtype_mismatch",
      'tensor "b" is F16, expected BF16',
    ],
    ["by bytes after its last tensor", file(`{${A},${B}}`, 17), "malformed", "1 bytes after the last tensor"],
  ] as const)("%s", (_case, bytes, reason, detail) => {
    const fault = new EarlyInspection(EXPECTED, bytes.length).take(bytes);
    expect(fault).toEqual({ reason, detail: expect.stringMatching(detail instanceof RegExp ? detail : /^/) });
    if (typeof detail === "string") expect(fault?.detail).toBe(detail);
  });

  test("after 100 kB of a header whose first tensors are not the group's, before the rest of it", () => {
    const foreign = file(headerOfMany((entry, index) => (index === 5 ? entry.replace("layer", "other") : entry)));
    const reshaped = file(
      headerOfMany((entry, index) => (index === 5 ? entry.replace('"shape":[1]', '"shape":[1,1]') : entry)),
    );
    const [first, second] = [foreign, reshaped].map((bytes) =>
      new EarlyInspection(MANY, null).take(bytes.subarray(0, 100_000)),
    );
    expect(first).toEqual({ reason: "tensor_set_mismatch", detail: 'unexpected tensor "other.5"' });
    expect(second).toEqual({ reason: "shape_mismatch", detail: 'tensor "layer.5" is [1,1], expected [1]' });
  });

  test("by a byte too many, or one too few, when nobody said how many there are", () => {
    const bytes = file(`{${A},${B}}`);
    const longer = new EarlyInspection(EXPECTED, null);
    expect([longer.take(bytes), longer.take(Uint8Array.of(0))]).toEqual([
      null,
      { reason: "malformed", detail: "bytes after the last tensor" },
    ]);
    const shorter = new EarlyInspection(EXPECTED, null);
    expect([shorter.take(bytes.subarray(0, -1)), shorter.end()]).toEqual([
      null,
      {
        reason: "malformed",
        detail: `the file ends after ${bytes.length - 1} bytes, before its ${bytes.length} bytes`,
      },
    ]);
  });
});
