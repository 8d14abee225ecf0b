import { AppError } from "@assay/core/app-error";
import { describe, expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { backoffMillis, retry } from "./retry.ts";

const never = new AbortController().signal;
const away = () => new AppError("CHAIN_DISCONNECTED", "Away", { retryable: true });

test("a retryable failure is tried again until it succeeds", async () => {
  const clock = new FakeClock(0);
  const attempts: number[] = [];
  const result = retry(
    async (attempt) => {
      attempts.push(attempt);
      if (attempt < 3) throw away();
      return "done";
    },
    { attempts: 5, baseMillis: 100, signal: never, clock, random: () => 1 },
  );
  await clock.whenSleeping();
  await clock.advance(100);
  expect(attempts).toEqual([1, 2]);
  await clock.advance(200);
  expect(await result).toBe("done");
});

test("what is not retryable is thrown at once", async () => {
  let calls = 0;
  const fn = async () => {
    calls += 1;
    throw new AppError("CHAIN_NO_PERMIT", "No permit");
  };
  await expect(retry(fn, { attempts: 5, baseMillis: 1, signal: never })).rejects.toThrow("No permit");
  expect(calls).toBe(1);
});

test("the last attempt's error is thrown as it is", async () => {
  const clock = new FakeClock(0);
  const result = retry(async () => Promise.reject(away()), { attempts: 2, baseMillis: 10, signal: never, clock });
  const failure = expect(result).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
  await clock.whenSleeping();
  await clock.advance(10);
  await failure;
});

test("an abort ends the wait between two attempts", async () => {
  const clock = new FakeClock(0);
  const controller = new AbortController();
  const result = retry(async () => Promise.reject(away()), {
    attempts: 9,
    baseMillis: 10,
    signal: controller.signal,
    clock,
  });
  const failure = expect(result).rejects.toThrow("stopping");
  await clock.whenSleeping();
  controller.abort(new Error("stopping"));
  await failure;
});

describe("the backoff", () => {
  test.each([
    [1, 0, 50],
    [1, 1, 100],
    [3, 0, 200],
    [3, 1, 400],
    [20, 1, 30_000],
  ])("after attempt %i with random %d is %i ms", (attempt, random, expected) => {
    expect(backoffMillis(attempt, { baseMillis: 100, random: () => random })).toBe(expected);
  });
});
