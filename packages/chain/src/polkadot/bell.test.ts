import { expect, test } from "vitest";
import { Bell } from "./bell.ts";

const never = new AbortController().signal;

test("a ring before the wait is not lost, and counts once", async () => {
  const bell = new Bell();
  bell.ring();
  await bell.wait(60_000, never);
  const caller = new AbortController();
  const second = bell.wait(60_000, caller.signal);
  caller.abort(new Error("still waiting"));
  await expect(second).rejects.toThrow("still waiting");
});

test("a wait ends by itself after its time", async () => {
  await expect(new Bell().wait(1, never)).resolves.toBeUndefined();
});
