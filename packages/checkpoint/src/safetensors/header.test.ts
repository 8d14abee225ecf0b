import { describe, expect, test } from "vitest";
import type { TensorShape } from "./dtype.ts";
import { limitsFor, parseHeader } from "./header.ts";

const limits = { maxHeaderBytes: 4096, maxTensors: 16 };

/** A file with this header text and this many bytes of values. */
function file(header: string | Uint8Array, dataBytes: number): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function entry(shape: string, begin: number, end: number, dtype = "F32"): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
}

function detailOf(bytes: Uint8Array): string {
  const result = parseHeader(bytes, limits);
  return result.kind === "rejected" ? result.detail : "parsed";
}

describe("a valid header", () => {
  test("gives tensors in order of offset, and the metadata", () => {
    const text = `{"__metadata__":{"format":"pt"},"b":${entry("[2]", 4, 12)},"a":${entry("[]", 0, 4)}}   `;
    expect(parseHeader(file(text, 12), limits)).toEqual({
      kind: "parsed",
      header: {
        tensors: new Map([
          ["a", { dtype: "F32", shape: [], begin: 0, end: 4 }],
          ["b", { dtype: "F32", shape: [2], begin: 4, end: 12 }],
        ]),
        metadata: new Map([["format", "pt"]]),
        dataStart: 8 + text.length,
        dataBytes: 12,
      },
    });
  });

  test("may name a tensor __proto__ without touching any object's prototype", () => {
    const result = parseHeader(file(`{"__proto__":${entry("[1]", 0, 4)}}`, 4), limits);
    expect(result.kind === "parsed" && [...result.header.tensors.keys()]).toEqual(["__proto__"]);
    expect("dtype" in {}).toBe(false);
  });

  test("may escape characters of a name", () => {
    const result = parseHeader(file(`{"a\\u0062\\"":${entry("[1]", 0, 4)}}`, 4), limits);
    expect(result.kind === "parsed" && [...result.header.tensors.keys()]).toEqual(['ab"']);
  });

  test("may be empty", () => {
    expect(detailOf(file("{}", 0))).toBe("parsed");
  });
});

describe("the length prefix", () => {
  test.each([
    ["a file of 9 bytes", new Uint8Array(9), "file is shorter than the smallest header"],
    ["a length of 1", lengthOf(1n, 20), "header length is below 2"],
    ["a length beyond the file", lengthOf(100n, 20), "header is longer than the file"],
    ["a length beyond the cap", lengthOf(4097n, 5000), "header is longer than 4096 bytes"],
    ["a length that is no safe integer", lengthOf(0xffff_ffff_ffff_ffffn, 20), "header is longer than 4096 bytes"],
  ])("%s is rejected", (_name, bytes, detail) => {
    expect(detailOf(bytes)).toBe(detail);
  });

  function lengthOf(length: bigint, fileBytes: number): Uint8Array {
    const bytes = new Uint8Array(fileBytes);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  }
});

describe("the text", () => {
  test.each([
    ["a space before the object", ` {"a":${entry("[1]", 0, 4)}}`, "header does not begin with {"],
    ["a list", "[[[[[[[[", "header does not begin with {"],
    ["nesting", `{"a":${"[".repeat(1000)}`, "expected { at character 5"],
    [
      "nesting in a shape",
      `{"a":{"dtype":"F32","shape":[[1]]}}`,
      "expected a safe non-negative integer at character 29",
    ],
    ["text after the object", `{"a":${entry("[1]", 0, 4)}}x`, "text after the header's object"],
    ["a line feed after the object", `{"a":${entry("[1]", 0, 4)}}\n`, "text after the header's object"],
    ["an unterminated string", '{"a', "unterminated string or control character"],
    ["a control character", '{"a\n":{}}', "unterminated string or control character"],
    ["an invalid escape", '{"\\x":{}}', "invalid escape in a string"],
    ["half a surrogate pair", '{"\\ud800":{}}', "half a surrogate pair in a string"],
    ["a trailing comma", `{"a":${entry("[1]", 0, 4)},}`, 'expected " at character 54'],
    ["a duplicate name", `{"a":${entry("[1]", 0, 4)},"a":${entry("[1]", 4, 8)}}`, 'duplicate key "a"'],
    [
      "a duplicate name in disguise",
      `{"a":${entry("[1]", 0, 4)},"\\u0061":${entry("[1]", 4, 8)}}`,
      'duplicate key "a"',
    ],
    ["duplicate metadata", '{"__metadata__":{},"__metadata__":{}}', "duplicate key __metadata__"],
    ["a duplicate metadata key", '{"__metadata__":{"k":"1","k":"2"}}', 'duplicate metadata key "k"'],
    ["metadata that is no string", '{"__metadata__":{"k":1}}', 'expected " at character 21'],
    ["metadata as a list", '{"__metadata__":[]}', "expected { at character 16"],
    ["more than the cap", `{"__metadata__":{"k":"${"x".repeat(8192)}"}}`, "header is longer than 4096 bytes"],
    [
      "a field too many",
      `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}}`,
      'unexpected or repeated field "x" of a tensor',
    ],
    ["a repeated field", `{"a":{"dtype":"F32","dtype":"F32"}}`, 'unexpected or repeated field "dtype" of a tensor'],
    ["a field too few", `{"a":{"dtype":"F32","shape":[]}}`, "a tensor lacks dtype, shape or data_offsets"],
    [
      "a single offset",
      `{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}`,
      "a tensor lacks dtype, shape or data_offsets",
    ],
    ["three offsets", `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}`, "more than 2 numbers in a list"],
    ["nine dimensions", `{"a":${entry("[1,1,1,1,1,1,1,1,1]", 0, 4)}}`, "more than 8 numbers in a list"],
    ["a negative dimension", `{"a":${entry("[-1]", 0, 4)}}`, "expected a safe non-negative integer at character 29"],
    ["a fraction", `{"a":${entry("[1.0]", 0, 4)}}`, "expected a safe non-negative integer at character 29"],
    ["an exponent", `{"a":${entry("[1e0]", 0, 4)}}`, "expected a safe non-negative integer at character 29"],
    ["a leading zero", `{"a":${entry("[01]", 0, 4)}}`, "expected a safe non-negative integer at character 29"],
    [
      "an unsafe integer",
      `{"a":${entry("[9007199254740993]", 0, 4)}}`,
      "expected a safe non-negative integer at character 29",
    ],
    ["an unknown dtype", `{"a":${entry("[1]", 0, 4, "F8_E4M3")}}`, 'tensor "a" has unknown dtype "F8_E4M3"'],
    [
      "a dtype that every object has",
      `{"a":${entry("[1]", 0, 4, "toString")}}`,
      'tensor "a" has unknown dtype "toString"',
    ],
  ])("with %s is rejected", (_name, text, detail) => {
    expect(detailOf(file(text, 4))).toBe(detail);
  });

  test("that is not UTF-8 is rejected", () => {
    expect(detailOf(file(Uint8Array.of(0x7b, 0xff, 0x7d), 0))).toBe("header is not valid UTF-8");
  });

  test("with 65 metadata keys is rejected", () => {
    const members = Array.from({ length: 65 }, (_, index) => `"${index}":""`);
    expect(detailOf(file(`{"__metadata__":{${members}}}`, 0))).toBe("too many metadata keys");
  });

  test("with a long metadata text is rejected", () => {
    const result = parseHeader(file(`{"__metadata__":{"k":"${"x".repeat(8192)}"}}`, 0), limitsFor(new Map()));
    expect(result).toEqual({ kind: "rejected", detail: "metadata value too long" });
  });

  test("with more tensors than the limit is given up at the next one", () => {
    const members = Array.from({ length: 17 }, (_, index) => `"${index}":${entry("[1]", index * 4, index * 4 + 4)}`);
    expect(detailOf(file(`{${members.slice(0, 16)}}`, 64))).toBe("parsed");
    expect(detailOf(file(`{${members.slice(0, 16)},"16":{`, 64))).toBe("more than 16 tensors");
  });

  test("with a megabyte of brackets is refused at once by its grammar", () => {
    const bomb = `{"a":${"[".repeat(1 << 20)}`;
    expect(parseHeader(file(bomb, 0), { maxHeaderBytes: 8 << 20, maxTensors: 1 })).toEqual({
      kind: "rejected",
      detail: "expected { at character 5",
    });
  });
});

describe("the tiling of the data", () => {
  test.each([
    ["a zero-size tensor", `{"a":${entry("[0]", 0, 0)}}`, 0, 'tensor "a" has no values'],
    [
      "a zero-size tensor beside another",
      `{"a":${entry("[1]", 0, 4)},"b":${entry("[3,0]", 4, 4)}}`,
      4,
      'tensor "b" has no values',
    ],
    ["a hole", `{"a":${entry("[1]", 0, 4)},"b":${entry("[1]", 8, 12)}}`, 12, 'hole before tensor "b"'],
    ["a hole at the beginning", `{"a":${entry("[1]", 4, 8)}}`, 8, 'hole before tensor "a"'],
    ["an overlap", `{"a":${entry("[2]", 0, 8)},"b":${entry("[1]", 4, 8)}}`, 8, 'tensor "b" overlaps another'],
    ["the same bytes twice", `{"a":${entry("[1]", 0, 4)},"b":${entry("[1]", 0, 4)}}`, 4, 'tensor "b" overlaps another'],
    ["trailing bytes", `{"a":${entry("[1]", 0, 4)}}`, 5, "1 bytes after the last tensor"],
    ["trailing bytes and no tensor", "{}", 1, "1 bytes after the last tensor"],
    ["a tensor beyond the end", `{"a":${entry("[2]", 0, 8)}}`, 4, "tensors reach beyond the end of the file"],
    [
      "offsets that do not match the shape",
      `{"a":${entry("[2]", 0, 4)}}`,
      4,
      'tensor "a" has offsets that do not match its shape',
    ],
    ["offsets in reverse", `{"a":${entry("[1]", 4, 0)}}`, 4, 'tensor "a" has offsets that do not match its shape'],
    [
      "a size that overflows",
      `{"a":${entry("[4294967296,4294967296]", 0, 4)}}`,
      4,
      'tensor "a" has an impossible size',
    ],
    [
      "a misaligned tensor",
      `{"a":${entry("[1]", 0, 2, "BF16")},"b":${entry("[1]", 2, 6)}}`,
      6,
      'tensor "b" is misaligned',
    ],
  ])("with %s is rejected", (_name, text, dataBytes, detail) => {
    expect(detailOf(file(text, dataBytes))).toBe(detail);
  });
});

test("the caps for strangers grow with the expected tensors, that of bytes to 8 MiB", () => {
  const tensors = (count: number): ReadonlyMap<string, TensorShape> =>
    new Map(Array.from({ length: count }, (_, index) => [`t${index}`, { dtype: "F32", shape: [1] }]));
  expect(limitsFor(tensors(0))).toEqual({ maxHeaderBytes: 65_544, maxTensors: 64 });
  expect(limitsFor(tensors(10))).toEqual({ maxHeaderBytes: 69_944, maxTensors: 74 });
  expect(limitsFor(tensors(100_000))).toEqual({ maxHeaderBytes: 8_388_608, maxTensors: 100_064 });
});

test("a stranger's long name is cut in the detail, and its control characters are escaped", () => {
  expect(detailOf(file(`{"${"x".repeat(300)}":${entry("[0]", 0, 0)}}`, 0))).toBe(
    `tensor "${"x".repeat(120)}…" has no values`,
  );
  expect(detailOf(file(`{"a\\n\u009b\u2028":${entry("[0]", 0, 0)}}`, 0))).toBe(
    'tensor "a\\n\\u009b\\u2028" has no values',
  );
});
