import { Keyring } from "@polkadot/keyring";
import { u8aWrapBytes } from "@polkadot/util";
import { expect, test } from "vitest";
import { verifySignature } from "./verify-signature.ts";

const MESSAGE = new TextEncoder().encode("what was signed");
const pairs = (["sr25519", "ed25519"] as const).map((type) =>
  new Keyring({ type, ss58Format: 42 }).createFromUri("//A"),
);

test.each(pairs.map((pair) => [pair.type, pair] as const))("an %s signature verifies", (_type, pair) => {
  expect(verifySignature(MESSAGE, pair.sign(MESSAGE), pair.address)).toBe(true);
});

test.each(pairs.map((pair) => [pair.type, pair] as const))(
  "one flipped bit of an %s signature is noticed",
  (_type, pair) => {
    for (const at of [0, 31, 32, 63]) {
      const signature = Uint8Array.from(pair.sign(MESSAGE));
      signature[at] = (signature[at] ?? 0) ^ 1;
      expect(verifySignature(MESSAGE, signature, pair.address)).toBe(false);
    }
  },
);

test("wrapped bytes are other bytes", () => {
  const [pair] = pairs;
  if (pair === undefined) throw new Error("no key");
  expect(verifySignature(MESSAGE, pair.sign(u8aWrapBytes(MESSAGE)), pair.address)).toBe(false);
});

test.each([0, 63, 65, 66])("%i bytes are no signature", (length) => {
  expect(verifySignature(MESSAGE, new Uint8Array(length), pairs[0]?.address ?? "")).toBe(false);
});

test.each(["", "not an address", "0x00", "5".repeat(48), "12bzRJfh7arnnfPPUZHeJUaE62QLEwhK48QnH9LXeK2m1iZU"])(
  "%j is no hotkey",
  (hotkey) => {
    expect(verifySignature(MESSAGE, new Uint8Array(64), hotkey)).toBe(false);
  },
);
