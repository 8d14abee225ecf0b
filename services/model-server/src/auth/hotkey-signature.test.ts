import { encodeBase64Url } from "@assay/core/messages/base64url";
import {
  ed25519PairFromSeed,
  ed25519Sign,
  encodeAddress,
  sr25519PairFromSeed,
  sr25519Sign,
} from "@polkadot/util-crypto";
import { expect, test } from "vitest";
import { isSignedBy } from "./hotkey-signature.ts";

const seed = new Uint8Array(32).fill(7);
const message = new TextEncoder().encode("bz-submit-v1\n…");
const sr25519 = sr25519PairFromSeed(seed);
const hotkey = encodeAddress(sr25519.publicKey, 42);
const signature = encodeBase64Url(sr25519Sign(message, sr25519));

test("a signature is good for its key and its bytes, padded or not", () => {
  expect(isSignedBy(hotkey, signature, message)).toBe(true);
  expect(isSignedBy(hotkey, `${signature}==`, message)).toBe(true);
  expect(isSignedBy(hotkey, signature, message.subarray(1))).toBe(false);
  expect(isSignedBy(encodeAddress(new Uint8Array(32).fill(9), 42), signature, message)).toBe(false);
});

test("an ed25519 key signs with ed25519", () => {
  const pair = ed25519PairFromSeed(seed);
  const own = encodeBase64Url(ed25519Sign(message, pair));

  expect(isSignedBy(encodeAddress(pair.publicKey, 42), own, message)).toBe(true);
  expect(isSignedBy(hotkey, own, message)).toBe(false);
});

test("a signature of the bytes in a browser's wrapping is not one of the bytes", () => {
  const wrapped = new TextEncoder().encode(`<Bytes>${new TextDecoder().decode(message)}</Bytes>`);

  expect(isSignedBy(hotkey, encodeBase64Url(sr25519Sign(wrapped, sr25519)), message)).toBe(false);
});

test.each([
  ["an address of another network", encodeAddress(sr25519.publicKey, 0), signature],
  ["an address that is none", "5FHne", signature],
  ["a short signature", hotkey, "AAAA"],
  ["text that is no signature", hotkey, "not base64 !"],
  ["a signature of zeroes", hotkey, encodeBase64Url(new Uint8Array(64))],
])("%s is refused", (_case, address, text) => {
  expect(isSignedBy(address, text, message)).toBe(false);
});
