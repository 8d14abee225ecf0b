import { expect, test } from "vitest";
import { Nonces } from "./nonces.ts";

test("nonces under way are skipped while the chain does not count them yet", () => {
  const nonces = new Nonces();
  expect([nonces.take(5), nonces.take(5), nonces.take(6)]).toEqual([5, 6, 7]);
});

test("a released nonce that the chain still offers is used again", () => {
  const nonces = new Nonces();
  nonces.take(5);
  nonces.release(5);
  expect(nonces.take(5)).toBe(5);
});

test("the chain's count wins when somebody else used nonces", () => {
  const nonces = new Nonces();
  nonces.take(5);
  expect(nonces.take(9)).toBe(9);
});
