import { expect, test } from "vitest";
import { NonceBook } from "./nonce-book.ts";

test("a nonce is good once per hotkey while its block is in the window", () => {
  const nonces = new NonceBook();

  expect(nonces.use("5Alice", "n1", 100, 90)).toBe("first");
  expect(nonces.use("5Alice", "n1", 100, 100)).toBe("reused");
  expect(nonces.use("5Bob", "n1", 100, 100)).toBe("first");
  expect(nonces.use("5Alice", "n1", 105, 101)).toBe("first");
});

test("one hotkey cannot fill the book", () => {
  const nonces = new NonceBook();
  for (let number = 0; number < 1_000; number += 1) {
    nonces.use("5Alice", `n${number}`, 100, 90);
  }

  expect(nonces.use("5Alice", "one more", 100, 90)).toBe("full");
  expect(nonces.use("5Bob", "n0", 100, 90)).toBe("first");
  expect(nonces.use("5Alice", "later", 101, 101)).toBe("first");
});

test("a book for whoever asks often takes as many as it is told", () => {
  const nonces = new NonceBook(2);

  expect(nonces.use("5Alice", "n1", 100, 90)).toBe("first");
  expect(nonces.use("5Alice", "n2", 100, 90)).toBe("first");
  expect(nonces.use("5Alice", "n3", 100, 90)).toBe("full");
});
