import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { type CommitmentPayload, encodeCommitment, parseCommitment } from "./payload.ts";

const sha256 = "0123456789abcdef".repeat(4);
const tensorsHash = "ba4bf00f21f929f4a70b88db55209c633fa97b0de494572e";
const signature = "x".repeat(86);
const repository = `${"n".repeat(16)}/${"m".repeat(15)}`;
const full: CommitmentPayload = { hash: tensorsHash, version: 8_081_470, group: 1, repository, revision: "0a1b2c3" };

describe("what we commit", () => {
  test("is compact JSON in the published order", () => {
    expect(text(encodeCommitment({ signature, group: 1 }, "miner"))).toBe(`{"e":1,"m":"${signature}"}`);
    expect(text(encodeCommitment({ version: 12, hash: sha256, group: 3 }, "miner"))).toBe(
      `{"e":3,"h":"${sha256}","v":12}`,
    );
    expect(text(encodeCommitment({ group: 1 }, "miner"))).toBe('{"e":1}');
    expect(text(encodeCommitment({ signature }, "validator"))).toBe(`{"m":"${signature}"}`);
    expect(text(encodeCommitment({ version: 12, hash: sha256, group: 3 }, "validator"))).toBe(
      `{"h":"${sha256}","v":12,"e":3}`,
    );
  });

  test("has the published sizes", () => {
    expect(encodeCommitment({ signature }, "validator")).toHaveLength(vectors.sizes.signed);
    expect(encodeCommitment({ hash: tensorsHash, version: 8_081_470, group: 1 }, "validator")).toHaveLength(
      vectors.sizes.hb,
    );
    expect(encodeCommitment(full, "validator")).toHaveLength(vectors.sizes.full);
    expect(encodeCommitment(full, "miner")).toHaveLength(vectors.sizes.full);
  });

  test.each([
    ["a version of eight digits", { ...full, version: 10_000_000 }],
    ["a group of two digits", { ...full, group: 10 }],
  ])("is refused at 129 bytes: %s", (_, payload) => {
    expect(() => encodeCommitment(payload, "validator")).toThrow(
      expect.objectContaining({
        code: "COMMITMENT_TOO_LARGE",
        fields: { bytes: vectors.sizes.v8, limit: 128 },
      }),
    );
  });

  test.each<[string, CommitmentPayload]>([
    ["a repository of 33 characters", { repository: `${repository}m` }],
    ["a hash in upper case", { hash: sha256.toUpperCase() }],
    ["a padded signature", { signature: `${signature}==` }],
    ["a negative version", { version: -1 }],
  ])("is refused with %s", (_, payload) => {
    expect(() => encodeCommitment(payload, "miner")).toThrow(
      expect.objectContaining({ code: "COMMITMENT_FIELD_INVALID" }),
    );
  });

  test("never drops a field that its author's layout has no place for", () => {
    expect(() => encodeCommitment({ group: 1, seed: 7 }, "miner")).toThrow(
      expect.objectContaining({ code: "COMMITMENT_FIELD_INVALID" }),
    );
  });
});

describe("what strangers commit", () => {
  test("is read back as it was written", () => {
    expect(parseCommitment(encodeCommitment(full, "validator"))).toEqual({ ok: true, value: full });
  });

  test("may have the older writers' spaces and nulls", () => {
    const validator = `{"m": null, "h": "${tensorsHash}", "v": 8081470, "e": 1, "s": 12345, "b": 8081470}`;
    const miner = `{"b": 8081470, "e": 1, "m": null, "h": "${tensorsHash}", "v": 8081470, "i": 100}`;
    expect(validator).toHaveLength(vectors.sizes.old_val);
    expect(miner).toHaveLength(vectors.sizes.old_min);
    expect(parseCommitment(bytes(validator))).toEqual({
      ok: true,
      value: { hash: tensorsHash, version: 8_081_470, group: 1, seed: 12_345, block: 8_081_470 },
    });
    expect(parseCommitment(bytes(miner))).toEqual({
      ok: true,
      value: { hash: tensorsHash, version: 8_081_470, group: 1, block: 8_081_470, innerSteps: 100 },
    });
  });

  test("may hold keys we do not know", () => {
    expect(parseCommitment(bytes('{"e":2,"zz":[1,{"a":null}]}'))).toEqual({ ok: true, value: { group: 2 } });
    expect(parseCommitment(bytes('{"e":2,"__proto__":{"hash":"x"}}'))).toEqual({ ok: true, value: { group: 2 } });
  });

  test.each([
    ["nothing", "", "not_json"],
    ["129 bytes", `"${"x".repeat(127)}"`, "too_large"],
    ["text", "hello", "not_json"],
    ["half an object", '{"e":1', "not_json"],
    ["a list", "[1]", "not_an_object"],
    ["null", "null", "not_an_object"],
    ["a number", "7", "not_an_object"],
    ["a group in text", '{"e":"1"}', "field_invalid"],
    ["half a group", '{"e":0.5}', "field_invalid"],
    ["a negative group", '{"e":-1}', "field_invalid"],
    ["a huge group", '{"e":1e300}', "field_invalid"],
    ["a group beyond u16", '{"e":65536}', "field_invalid"],
    ["a short hash", '{"h":"ab"}', "field_invalid"],
    ["a hash with a line break", `{"h":"${tensorsHash}\\n"}`, "field_invalid"],
    ["a path for a repository", '{"r":"../../etc/passwd"}', "field_invalid"],
    ["deep nesting", "[".repeat(128), "not_json"],
    ["a byte order mark", "\uFEFF{}", "not_json"],
  ])("is a result and not an exception: %s", (_, hostile, reason) => {
    expect(parseCommitment(bytes(hostile))).toEqual({ ok: false, reason });
  });

  test("is refused when it is not UTF-8", () => {
    expect(parseCommitment(new Uint8Array([0x7b, 0xff, 0x7d]))).toEqual({ ok: false, reason: "not_utf8" });
  });
});

function text(encoded: Uint8Array): string {
  return new TextDecoder().decode(encoded);
}

function bytes(written: string): Uint8Array {
  return new TextEncoder().encode(written);
}
