import { FakeClock } from "@assay/runtime/time/fake-clock";
import { describe, expect, test } from "vitest";
import { RequestRate } from "./request-rate.ts";

const LIMIT = { requests: 150, windowMillis: 30_000 };

function takeMany(rate: RequestRate, key: string, count: number): number {
  return Array.from({ length: count }, () => rate.take(key)).filter((wait) => wait === 0).length;
}

describe("the rate of requests", () => {
  test("lets 150 pass and says when the next will", async () => {
    const clock = new FakeClock();
    const rate = new RequestRate(clock, LIMIT);

    expect(takeMany(rate, "a", 150)).toBe(150);
    const wait = rate.take("a");
    expect(wait).toBeCloseTo(30_200, 5); // the whole window, and 1/150 of the next

    await clock.advance(30_199);
    expect(rate.take("a")).toBeCloseTo(1, 5);
    await clock.advance(2);
    expect(rate.take("a")).toBe(0);
  });

  test("counts each key for itself", () => {
    const rate = new RequestRate(new FakeClock(), LIMIT);

    expect(takeMany(rate, "a", 200)).toBe(150);
    expect(takeMany(rate, "b", 200)).toBe(150);
  });

  test("does not allow twice as much around the turn of a window", async () => {
    const clock = new FakeClock();
    const rate = new RequestRate(clock, LIMIT);
    await clock.advance(29_000);
    expect(takeMany(rate, "a", 150)).toBe(150);

    await clock.advance(4_000); // three seconds, a tenth, into the next window
    expect(takeMany(rate, "a", 150)).toBe(15);
  });

  test("forgets a key after two windows", async () => {
    const clock = new FakeClock();
    const rate = new RequestRate(clock, LIMIT);
    takeMany(rate, "a", 150);

    await clock.advance(60_000);
    expect(takeMany(rate, "a", 200)).toBe(150);
  });

  test("takes a request back", () => {
    const rate = new RequestRate(new FakeClock(), LIMIT);
    takeMany(rate, "a", 150);

    rate.giveBack("a");
    rate.giveBack("never seen");

    expect(takeMany(rate, "a", 2)).toBe(1);
  });

  test("keeps no more keys than its bound: those beyond share one count", () => {
    const rate = new RequestRate(new FakeClock(), { requests: 2, windowMillis: 30_000, maxKeys: 3 });
    for (const key of ["a", "b", "c"]) {
      expect(takeMany(rate, key, 1)).toBe(1);
    }

    expect(takeMany(rate, "d", 1) + takeMany(rate, "e", 1)).toBe(2);
    expect(rate.take("f")).toBeGreaterThan(0);
    expect(rate.take("a")).toBe(0);
  });
});
