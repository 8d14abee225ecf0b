import { describe, expect, test } from "vitest";
import { Turns } from "./turns.ts";

describe("Turns", () => {
  test("work waits for the work before it, even if that failed", async () => {
    const turns = new Turns();
    const order: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const signal = new AbortController().signal;

    const first = turns.take(async () => {
      await gate;
      order.push("first");
      throw new Error("first failed");
    }, signal);
    const second = turns.take(async () => order.push("second"), signal);
    open();

    await expect(first).rejects.toThrow("first failed");
    await second;
    expect(order).toEqual(["first", "second"]);
  });

  test("work that is aborted while it waits fails at once and lets nobody pass the work before it", async () => {
    const turns = new Turns();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const patient = new AbortController().signal;
    const impatient = new AbortController();
    let firstDone = false;

    const first = turns.take(async () => {
      await gate;
      firstDone = true;
    }, patient);
    const second = turns.take(async () => "ran", impatient.signal);
    const third = turns.take(async () => firstDone, patient);
    impatient.abort(new Error("no longer wanted"));

    await expect(second).rejects.toThrow("no longer wanted");
    expect(firstDone).toBe(false);
    open();
    await first;
    expect(await third).toBe(true);
  });
});
