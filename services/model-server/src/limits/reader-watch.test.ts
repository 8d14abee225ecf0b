import { FakeClock } from "@assay/runtime/time/fake-clock";
import { describe, expect, test } from "vitest";
import { watchReader } from "./reader-watch.ts";

const LIMITS = { minBytesPerSecond: 1_000, windowMillis: 10_000, maxMillis: 100_000 };
const QUEUED = 5_000;

/** A socket whose reader takes so many bytes in each of the next seconds; `ready`: bytes always lie ready. */
async function read(bytesPerSecond: readonly number[], ready: boolean) {
  const clock = new FakeClock();
  const socket = { bytesWritten: ready ? QUEUED : 0, writableLength: ready ? QUEUED : 0 };
  const stop = new AbortController();
  const ending = watchReader(socket, clock, LIMITS, stop.signal);
  for (const bytes of bytesPerSecond) {
    await clock.whenSleeping();
    socket.bytesWritten += bytes;
    await clock.advance(1_000);
    if (clock.sleeping === 0) {
      break;
    }
  }
  const seconds = clock.now() - new FakeClock().now();
  stop.abort(new Error("over"));
  return { reason: await ending, seconds: seconds / 1000 };
}

describe("a reader", () => {
  test("that takes nothing is cut after one window", async () => {
    expect(await read(new Array(30).fill(0), true)).toEqual({ reason: "too_slow", seconds: 10 });
  });

  test("that falls below the least rate later is cut then", async () => {
    const rates = [...new Array(10).fill(1_000), ...new Array(10).fill(999)];
    expect(await read(rates, true)).toEqual({ reason: "too_slow", seconds: 20 });
  });

  test("may pause when its mean is enough", async () => {
    const rates = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10_000];
    expect(await read(rates, true)).toEqual({ reason: null, seconds: 10 });
  });

  test("is not blamed while nothing lies ready for it", async () => {
    expect(await read(new Array(30).fill(0), false)).toEqual({ reason: null, seconds: 30 });
  });

  test("is cut after the longest time, however fast it is", async () => {
    expect(await read(new Array(200).fill(1e9), true)).toEqual({ reason: "too_long", seconds: 100 });
  });
});
