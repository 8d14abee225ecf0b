import { expect, test } from "vitest";
import { blockMessage, committedHashMessage, uploadMessage } from "./block-message.ts";
import { isRecentBlock } from "./block-window.ts";

const alice = Uint8Array.from(Buffer.from("d43593c715fdd31c61141abd04a99fd6822c8557854ccde39a5684e7a56da27d", "hex"));

test("a block message is the key and the block as big-endian u64", () => {
  expect(Buffer.from(blockMessage(alice, 12_345)).toString("hex")).toBe(
    "d43593c715fdd31c61141abd04a99fd6822c8557854ccde39a5684e7a56da27d0000000000003039",
  );
});

test("an upload message is the hash and the block message, 64 bytes", () => {
  const message = uploadMessage(new Uint8Array(24).fill(0xab), alice, 12_345);
  expect(message).toHaveLength(64);
  expect(message.slice(0, 24)).toEqual(new Uint8Array(24).fill(0xab));
  expect(message.slice(24)).toEqual(blockMessage(alice, 12_345));
  expect(uploadMessage(new Uint8Array(32), alice, 12_345)).toHaveLength(72);
});

test("a key or a hash of the wrong length is refused", () => {
  expect(() => blockMessage(alice.slice(1), 1)).toThrow("31 bytes instead of 32");
  expect(() => uploadMessage(new Uint8Array(31), alice, 1)).toThrow("31 bytes instead of 24 or 32");
});

test("a committed signature covers the hash's lower-case text, not its bytes", () => {
  expect(committedHashMessage("AB01")).toEqual(new Uint8Array([0x61, 0x62, 0x30, 0x31]));
});

test.each([
  [96, false],
  [97, true],
  [100, true],
  [102, true],
  [103, false],
])("at block 100 with a window of 3, signed block %i is recent: %s", (signed, recent) => {
  expect(isRecentBlock(signed, 100, 3)).toBe(recent);
});
