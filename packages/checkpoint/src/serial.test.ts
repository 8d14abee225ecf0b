import { expect, test } from "vitest";
import { Serial } from "./serial.ts";

test("tasks of one key run one after the other, also behind a failure, while other keys go on", async () => {
  const serial = new Serial();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = serial.run("a", async () => {
    await gate.promise;
    order.push("a1");
    throw new Error("a1 failed");
  });
  const second = serial.run("a", async () => order.push("a2"));
  await serial.run("b", async () => order.push("b"));
  gate.resolve();
  await expect(first).rejects.toThrow("a1 failed");
  await second;
  expect(order).toEqual(["b", "a1", "a2"]);
});
