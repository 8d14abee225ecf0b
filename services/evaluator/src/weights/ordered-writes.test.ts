import { expect, test } from "vitest";
import { OrderedWrites } from "./ordered-writes.ts";

test("a slow write is not overtaken by the next one", async () => {
  const writes = new OrderedWrites();
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  writes.add(async () => {
    await gate.promise;
    seen.push("signed");
  });
  writes.add(async () => seen.push("in_block"));
  gate.resolve();
  await writes.settled();
  expect(seen).toEqual(["signed", "in_block"]);
  writes.throwFailure();
});

test("a failure is nobody's unhandled rejection, stops no later write, and is there for who looks", async () => {
  const writes = new OrderedWrites();
  const seen: string[] = [];
  writes.add(() => Promise.reject(new Error("the volume is full")));
  writes.add(async () => seen.push("in_block"));
  await writes.settled();
  expect(seen).toEqual(["in_block"]);
  expect(() => writes.throwFailure()).toThrow("the volume is full");
});
