import { expect, test } from "vitest";
import { abortable } from "./abortable.ts";
import { SystemClock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";

test("work in time gives its result", async () => {
  expect(await withDeadline(Promise.resolve(5), 1_000, "Work")).toBe(5);
});

test("work that is late fails with what was waited for, and is aborted", async () => {
  const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
  const work = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => resolve(signal.reason));
    return new Promise<never>(() => undefined);
  };
  await expect(withDeadline(work, 5, "Reading heads")).rejects.toMatchObject({
    code: "TIME_DEADLINE",
    retryable: true,
    message: "Reading heads took longer than 5 ms",
    fields: { label: "Reading heads", ms: 5 },
  });
  expect(await aborted).toMatchObject({ code: "TIME_DEADLINE" });
});

test("work that fails keeps its own error", async () => {
  await expect(withDeadline(Promise.reject(new Error("own")), 1_000, "Work")).rejects.toThrow("own");
});

test("waiting ends as soon as the signal is aborted", async () => {
  const controller = new AbortController();
  const wait = abortable(new Promise(() => undefined), controller.signal);
  controller.abort(new Error("stop"));
  await expect(wait).rejects.toThrow("stop");
  await expect(abortable(Promise.resolve(1), controller.signal)).rejects.toThrow("stop");
});

test("the system clock's sleep rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const sleep = new SystemClock().sleep(60_000, controller.signal);
  controller.abort(new Error("stop"));
  await expect(sleep).rejects.toThrow("stop");
  await expect(new SystemClock().sleep(1, controller.signal)).rejects.toThrow("stop");
});
