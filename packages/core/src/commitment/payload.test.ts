import fc from "fast-check";
import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { CommitmentError, type CommitmentPayload, encodeCommitment, parseCommitment } from "./payload.ts";

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

describe("128 bytes are never exceeded", () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
  const hashes = fc.oneof(hex(48), hex(64));
  const signatures = fc.stringMatching(/^[A-Za-z0-9_-]{86}$/);
  const naturals = fc.oneof(fc.nat(), fc.maxSafeNat());
  const groups = fc.nat(65_535);

  test("by either commitment of a validator, whatever its version", () => {
    fc.assert(
      fc.property(signatures, hex(64), naturals, (signed, hash, version) => {
        expect(encodeCommitment({ signature: signed }, "validator")).toHaveLength(94);
        expect(encodeCommitment({ hash, version }, "validator").length).toBeLessThanOrEqual(94);
      }),
    );
    const longest = encodeCommitment({ hash: sha256, version: Number.MAX_SAFE_INTEGER }, "validator");
    expect(longest).toHaveLength(93);
  });

  test("by any payload of either author: it fits, or it is not encoded, and what fits reads back the same", () => {
    const payloads: fc.Arbitrary<CommitmentPayload> = fc.record(
      {
        group: groups,
        signature: signatures,
        hash: hashes,
        version: naturals,
        block: naturals,
        innerSteps: naturals,
        seed: naturals,
        repository: fc.stringMatching(/^[\w.-]{1,20}\/[\w.-]{1,20}$/),
        revision: fc.stringMatching(/^[0-9A-Za-z._-]{1,40}$/),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(payloads, fc.constantFrom("miner" as const, "validator" as const), (payload, author) => {
        let bytes: Uint8Array;
        try {
          bytes = encodeCommitment(payload, author);
        } catch (error) {
          expect(error).toBeInstanceOf(CommitmentError);
          return;
        }
        expect(bytes.length).toBeLessThanOrEqual(128);
        expect(parseCommitment(bytes)).toEqual({ ok: true, value: payload });
      }),
      { numRuns: 1_000 },
    );
  });
});
