import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { sha256File } from "./digest.ts";
import { type Inspection, inspectSubmission } from "./inspect.ts";
import type { TensorShape } from "./safetensors/dtype.ts";

/**
 * One group of tests per rule of packages/docs/protocol.md §6.5, each through the door that a miner's file comes
 * through. More cases of a rule:
 *
 * - 1 to 6: safetensors/header.test.ts ("the length prefix", "the text", "the tiling of the data", the caps)
 * - 7 and 8: inspect.test.ts
 * - 9: safetensors/finite.test.ts (every pattern); a loss that is not finite: the contract of evaluators
 */
const expected: ReadonlyMap<string, TensorShape> = new Map([
  ["e.0", { dtype: "F32", shape: [2] }],
  ["e.1", { dtype: "BF16", shape: [1, 2] }],
]);
const FIRST = '"e.0":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const SECOND = '"e.1":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}';
const VALUES = new Uint8Array(12);
const LACKS = "a tensor lacks dtype, shape or data_offsets";

/** A file of this header, with any length prefix. */
function fileOf(header: string | Uint8Array, values = VALUES, length?: bigint): Uint8Array {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, values]);
}

async function inspect(bytes: Uint8Array, committed?: string): Promise<Inspection> {
  const path = join(await temporaryFolder(), "submission.safetensors");
  await writeFile(path, bytes);
  return await inspectSubmission({ path, expected, expectedSha256: committed ?? (await sha256File(path)).sha256 });
}

type Case = readonly [what: string, bytes: Uint8Array, reason: string, detail: string];

function refuses(cases: readonly Case[]): void {
  test.each(cases)("refuses %s", async (_what, bytes, reason, detail) => {
    expect(await inspect(bytes)).toEqual({ kind: "rejected", reason, detail });
  });
}

test("what breaks no rule is accepted, in any order and with spaces", async () => {
  expect(await inspect(fileOf(`{${FIRST},${SECOND}}`))).toMatchObject({ kind: "accepted" });
  const spaced = `{ "__metadata__": {"format": "pt"},\n${SECOND} , ${FIRST} }      `;
  expect(await inspect(fileOf(spaced))).toMatchObject({ kind: "accepted" });
});

describe("rule 1, the length of the header,", () => {
  refuses([
    ["an empty file", new Uint8Array(0), "malformed", "file is shorter than the smallest header"],
    ["a file of 9 bytes", new Uint8Array(9), "malformed", "file is shorter than the smallest header"],
    ["a header of 1 byte", fileOf("{", VALUES, 1n), "malformed", "header length is below 2"],
    ["a header beyond the file", fileOf("{}", VALUES, 15n), "malformed", "header is longer than the file"],
    [
      "more bytes of header than the expected tensors can need",
      fileOf(`{}${" ".repeat(66_479)}`, new Uint8Array(0)),
      "malformed",
      "header is longer than 66480 bytes",
    ],
    [
      "many more tensors than expected",
      fileOf(`{${Array.from({ length: 67 }, (_, index) => `"${index}":${FIRST.slice(6)}`)}}`),
      "malformed",
      "more than 66 tensors",
    ],
  ]);
});

describe("rule 2, the text of the header,", () => {
  refuses([
    ["a list", fileOf(`[${FIRST}]`), "malformed", "header does not begin with {"],
    ["a byte order mark", fileOf(`\ufeff{${FIRST}}`), "malformed", "header does not begin with {"],
    ["bytes that are not UTF-8", fileOf(Uint8Array.of(0x7b, 0xc0, 0x7d)), "malformed", "header is not valid UTF-8"],
    ["a zero byte behind the object", fileOf(`{${FIRST},${SECOND}}\0`), "malformed", "text after the header's object"],
    ["nested brackets", fileOf(`{"a":${"[".repeat(60_000)}`), "malformed", "expected { at character 5"],
    [
      "nested objects",
      fileOf(`${'{"a":'.repeat(10_000)}`),
      "malformed",
      'unexpected or repeated field "a" of a tensor',
    ],
  ]);
});

describe("rule 3, metadata,", () => {
  const metadata = (members: string) => fileOf(`{"__metadata__":${members},${FIRST},${SECOND}}`);
  refuses([
    ["a number", metadata('{"k":1}'), "malformed", 'expected " at character 21'],
    ["an object in it", metadata('{"k":{}}'), "malformed", 'expected " at character 21'],
    ["null", metadata("null"), "malformed", "expected { at character 16"],
    [
      "65 texts",
      metadata(`{${Array.from({ length: 65 }, (_, index) => `"${index}":""`)}}`),
      "malformed",
      "too many metadata keys",
    ],
    ["a long text", metadata(`{"k":"${"x".repeat(8192)}"}`), "malformed", "metadata value too long"],
  ]);
});

describe("rule 4, a tensor's entry,", () => {
  const first = (fields: string) => fileOf(`{"e.0":{${fields}},${SECOND}}`);
  const integer = "expected a safe non-negative integer at character 31";
  refuses([
    ["no shape", first('"dtype":"F32","data_offsets":[0,8]'), "malformed", LACKS],
    ["null instead of offsets", first('"dtype":"F32","data_offsets":null'), "malformed", "expected [ at character 37"],
    [
      "a further field",
      first('"dtype":"F32","shape":[2],"data_offsets":[0,8],"strides":[1]'),
      "malformed",
      'unexpected or repeated field "strides" of a tensor',
    ],
    ["a negative length", first('"dtype":"F32","shape":[-2],"data_offsets":[0,8]'), "malformed", integer],
    ["a fraction", first('"dtype":"F32","shape":[2.0],"data_offsets":[0,8]'), "malformed", integer],
    ["an exponent", first('"dtype":"F32","shape":[2e0],"data_offsets":[0,8]'), "malformed", integer],
    ["2^53", first('"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,8]'), "malformed", integer],
    [
      "a product of 2^64",
      first('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]'),
      "malformed",
      'tensor "e.0" has an impossible size',
    ],
    [
      "offsets that hold another number of values",
      first('"dtype":"F32","shape":[1],"data_offsets":[0,8]'),
      "malformed",
      'tensor "e.0" has offsets that do not match its shape',
    ],
    [
      "offsets in reverse",
      first('"dtype":"F32","shape":[2],"data_offsets":[8,0]'),
      "malformed",
      'tensor "e.0" has offsets that do not match its shape',
    ],
    [
      "a dtype that is not ours",
      first('"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]'),
      "malformed",
      'tensor "e.0" has unknown dtype "F8_E5M2"',
    ],
    [
      "a misaligned tensor",
      fileOf(
        '{"e.1":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]},"e.0":{"dtype":"F32","shape":[2],"data_offsets":[2,10]}}',
        new Uint8Array(10),
      ),
      "malformed",
      'tensor "e.0" is misaligned',
    ],
  ]);
});

describe("rule 5, the tiling of the data,", () => {
  const second = (shape: string, begin: number, end: number) =>
    `{${FIRST},"e.1":{"dtype":"BF16","shape":${shape},"data_offsets":[${begin},${end}]}}`;
  refuses([
    ["a hole", fileOf(second("[1,2]", 10, 14), new Uint8Array(14)), "malformed", 'hole before tensor "e.1"'],
    ["an overlap", fileOf(second("[1,2]", 4, 8), new Uint8Array(8)), "malformed", 'tensor "e.1" overlaps another'],
    ["a rest", fileOf(second("[1,2]", 8, 12), new Uint8Array(13)), "malformed", "1 bytes after the last tensor"],
    [
      "too few bytes",
      fileOf(second("[1,2]", 8, 12), new Uint8Array(11)),
      "malformed",
      "tensors reach beyond the end of the file",
    ],
    [
      "a tensor without values",
      fileOf(second("[1,0]", 8, 8), new Uint8Array(8)),
      "malformed",
      'tensor "e.1" has no values',
    ],
    [
      "a tensor without values between two others",
      fileOf(`{${FIRST},${SECOND},"e.2":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}`),
      "malformed",
      'tensor "e.2" has no values',
    ],
  ]);
});

describe("rule 6, keys,", () => {
  refuses([
    ["a tensor stated twice", fileOf(`{${FIRST},${SECOND},${FIRST}}`), "malformed", 'duplicate key "e.0"'],
    [
      "a tensor stated twice in two spellings",
      fileOf(`{${FIRST},${SECOND},${FIRST.replace("e.0", "\\u0065.0")}}`),
      "malformed",
      'duplicate key "e.0"',
    ],
    [
      "a field stated twice",
      fileOf(`{${FIRST.replace("}", ',"shape":[2]}')},${SECOND}}`),
      "malformed",
      'unexpected or repeated field "shape" of a tensor',
    ],
    [
      "metadata stated twice",
      fileOf('{"__metadata__":{},"__metadata__":{}}'),
      "malformed",
      "duplicate key __metadata__",
    ],
    [
      "a tensor named __proto__, as a tensor",
      fileOf(`{${FIRST},${SECOND.replace("e.1", "__proto__")}}`),
      "tensor_set_mismatch",
      'unexpected tensor "__proto__"',
    ],
    [
      "a tensor named like a method, as a tensor",
      fileOf(`{${FIRST},${SECOND.replace("e.1", "hasOwnProperty")}}`),
      "tensor_set_mismatch",
      'unexpected tensor "hasOwnProperty"',
    ],
    [
      "half a surrogate pair",
      fileOf(`{${FIRST.replace("e.0", "\\ud800")}}`),
      "malformed",
      "half a surrogate pair in a string",
    ],
  ]);
});

describe("rule 7, the group's tensors,", () => {
  const renamed = (name: string) => fileOf(`{${FIRST},${SECOND.replace("e.1", name)}}`);
  refuses([
    ["a missing tensor", fileOf(`{${FIRST}}`, new Uint8Array(8)), "tensor_set_mismatch", 'missing tensor "e.1"'],
    ["no tensor", fileOf("{}", new Uint8Array(0)), "tensor_set_mismatch", 'missing tensor "e.0"'],
    ["a tensor of another group", renamed("e.2"), "tensor_set_mismatch", 'unexpected tensor "e.2"'],
    [
      "a router",
      renamed("model.layers.0.mlp.gate.weight"),
      "tensor_set_mismatch",
      'unexpected tensor "model.layers.0.mlp.gate.weight"',
    ],
    [
      "a name in another spelling of the same letter",
      renamed("e.１"),
      "tensor_set_mismatch",
      'unexpected tensor "e.１"',
    ],
    [
      "a transposed shape",
      fileOf(`{${FIRST},${SECOND.replace("[1,2]", "[2,1]")}}`),
      "shape_mismatch",
      'tensor "e.1" is [2,1], expected [1,2]',
    ],
    [
      "another dtype of the same size",
      fileOf(`{${FIRST},${SECOND.replace("BF16", "F16")}}`),
      "dtype_mismatch",
      'tensor "e.1" is F16, expected BF16',
    ],
  ]);
});

describe("rule 8, size and hash,", () => {
  test("refuses a file that is too large before it is read, whatever was committed", async () => {
    expect(await inspect(new Uint8Array(66_501), "")).toEqual({
      kind: "rejected",
      reason: "too_large",
      detail: "66501 bytes, at most 66500 are possible",
    });
  });

  test("refuses bytes of another hash before they are parsed", async () => {
    expect(await inspect(new Uint8Array(3), "ab".repeat(32))).toMatchObject({ reason: "hash_mismatch" });
  });
});

describe("rule 9, finite values,", () => {
  const values = (position: number, ...bytes: number[]) => {
    const changed = new Uint8Array(12);
    changed.set(bytes, position);
    return fileOf(`{${FIRST},${SECOND}}`, changed);
  };
  const bad = (name: string) => `tensor "${name}" holds a value that is NaN or infinite`;
  refuses([
    ["a float32 NaN", values(4, 0x01, 0x00, 0xc0, 0x7f), "non_finite_weights", bad("e.0")],
    ["a float32 infinity", values(0, 0x00, 0x00, 0x80, 0xff), "non_finite_weights", bad("e.0")],
    ["a bfloat16 NaN in the last value", values(10, 0xc0, 0x7f), "non_finite_weights", bad("e.1")],
  ]);
});
