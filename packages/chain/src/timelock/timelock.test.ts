import { bls12_381 } from "@noble/curves/bls12-381.js";
import { describe, expect, test } from "vitest";
import { QUICKNET, roundAt, roundIdentity } from "./beacon.ts";
import { openTimelock, timelock } from "./timelock.ts";
import { decodeWeightPayload, encodeWeightPayload, weightCommitHash } from "./weight-payload.ts";

/** Published by drand's quicknet: https://api.drand.sh/52db9ba7…e971/public/1000 */
const SIGNATURE_1000 =
  "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
const ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const ALICE_HEX = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

const weights = { hotkey: ALICE, uids: [1, 2, 3, 258], weights: [65_535, 32_768, 1, 0], versionKey: 7n };

/** A ciphertext's bytes without the eight-byte lengths, which is how many each part has. */
const lengths = (bytes: Uint8Array, offsets: readonly number[]) =>
  offsets.map((offset) => Number(Buffer.from(bytes).readBigUInt64LE(offset)));

describe("a ciphertext for round 1000 of quicknet", () => {
  const sealed = timelock(encodeWeightPayload(weights), 1000, QUICKNET);

  test("opens with the signature that drand published", () => {
    expect(decodeWeightPayload(openTimelock(sealed, SIGNATURE_1000))).toEqual({
      hotkey: ALICE,
      uids: [1, 2, 3, 258],
      weights: [65_535, 32_768, 1, 0],
      versionKey: 7n,
    });
  });

  test("does not open with the signature of another round, nor after a changed byte", () => {
    const other = bls12_381.G1.Point.fromHex(SIGNATURE_1000).double().toHex(true);
    expect(() => openTimelock(sealed, other)).toThrow("This signature does not open the ciphertext");
    const later = timelock(Uint8Array.of(1), 1001, QUICKNET);
    expect(() => openTimelock(later, SIGNATURE_1000)).toThrow("This signature does not open the ciphertext");
    const changed = Uint8Array.from(sealed);
    changed[210] = (changed[210] ?? 0) ^ 1;
    expect(() => openTimelock(changed, SIGNATURE_1000)).toThrow();
  });

  test("has the layout of a commit on Finney: 303 bytes for four weights", () => {
    expect(sealed).toHaveLength(303);
    // U, then V, W, the body with ciphertext and nonce, and the suite.
    expect(lengths(sealed, [96, 136, 176, 184, 267, 287])).toEqual([32, 32, 103, 75, 12, 8]);
    expect(Buffer.from(sealed.subarray(-8)).toString()).toBe("AES_GCM_");
  });

  test("is another one each time", () => {
    expect(timelock(encodeWeightPayload(weights), 1000, QUICKNET)).not.toEqual(sealed);
  });
});

test("the published signature is quicknet's for round 1000", () => {
  const left = bls12_381.pairing(roundIdentity(1000), bls12_381.G2.Point.fromHex(QUICKNET.publicKey));
  const right = bls12_381.pairing(bls12_381.G1.Point.fromHex(SIGNATURE_1000), bls12_381.G2.Point.BASE);
  expect(bls12_381.fields.Fp12.eql(left, right)).toBe(true);
});

test.each([
  ["nothing", new Uint8Array(0)],
  ["a point alone", new Uint8Array(96)],
  ["a length beyond the end", Buffer.concat([new Uint8Array(96), new Uint8Array(8).fill(255)])],
])("%s is no ciphertext", (_case, bytes) => {
  expect(() => openTimelock(bytes, SIGNATURE_1000)).toThrow("Not a time-locked ciphertext");
});

test("a payload is the account with its length, both lists, and the version key", () => {
  expect(Buffer.from(encodeWeightPayload({ ...weights, uids: [1], weights: [65_535] })).toString("hex")).toBe(
    `80${ALICE_HEX.slice(2)}04010004ffff0700000000000000`,
  );
});

test("a payload with bytes behind it is none", () => {
  expect(() => decodeWeightPayload(Buffer.concat([encodeWeightPayload(weights), Uint8Array.of(0)]))).toThrow();
});

test("a commit's hash depends on its salt", () => {
  const hash = (salt: readonly number[]) => weightCommitHash(weights, { netuid: 2, salt });
  expect(hash([1, 2])).toMatch(/^0x[0-9a-f]{64}$/);
  expect(hash([1, 2])).not.toBe(hash([1, 3]));
});

test("rounds begin with 1 at the beacon's genesis", () => {
  expect([-1, 0, 2.9, 3].map((after) => roundAt(QUICKNET.genesisSeconds + after, QUICKNET))).toEqual([0, 1, 1, 2]);
});
