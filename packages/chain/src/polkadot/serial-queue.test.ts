import { expect, test } from "vitest";
import { SerialQueue } from "./serial-queue.ts";

test("tasks run one at a time, in order, also behind one that fails", async () => {
  const queue = new SerialQueue();
  const log: string[] = [];
  const task = (name: string) => async () => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    if (name === "a") throw new Error("a failed");
    return name;
  };
  const results = await Promise.allSettled([queue.run(task("a")), queue.run(task("b")), queue.run(task("c"))]);

  expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
});
