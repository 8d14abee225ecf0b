import { FakeClock } from "@assay/runtime/time/fake-clock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bandwidth, type BandwidthLimits } from "./bandwidth.ts";

const MIB = 1 << 20;
const PIECE = 512 * 1024;
const waiting = { inc: () => undefined, dec: () => undefined };

let clock: FakeClock;
let over: AbortController;
beforeEach(() => {
  clock = new FakeClock();
  over = new AbortController();
});
afterEach(() => over.abort());

function bandwidth(limits: Partial<BandwidthLimits>): Bandwidth {
  return new Bandwidth({ clock, waiting }, { totalBytesPerSecond: 0, bytesPerSecond: 0, ...limits });
}

/** A transfer that always has another piece to move. @returns what it has moved so far. */
function transfer(shared: Bandwidth, { piece = PIECE, pieces = Number.POSITIVE_INFINITY, signal = over.signal } = {}) {
  const pace = shared.begin(signal);
  if (pace === null) throw new Error("Nothing is limited");
  const moved = { bytes: 0 };
  void (async () => {
    for (let count = 0; count < pieces && !signal.aborted; count += 1) {
      await pace.take(piece);
      moved.bytes += piece;
    }
  })();
  return moved;
}

/** In steps of a hundredth, as a server's timers would. */
async function pass(seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 100; step += 1) await clock.advance(10);
}

describe("bandwidth", () => {
  test("costs nothing when it is not limited", () => {
    expect(bandwidth({}).begin(over.signal)).toBe(null);
  });

  test("is shared in equal parts", async () => {
    const shared = bandwidth({ totalBytesPerSecond: 6 * MIB });
    const all = [transfer(shared), transfer(shared), transfer(shared)];

    await pass(10);

    for (const { bytes } of all) expect(Math.abs(bytes - 20 * MIB)).toBeLessThanOrEqual(PIECE);
  });

  test("in parts of bytes, not of requests: small pieces are no disadvantage", async () => {
    const shared = bandwidth({ totalBytesPerSecond: 6 * MIB });
    const [large, middle] = [transfer(shared), transfer(shared, { piece: 64 * 1024 })];

    await pass(10);

    expect(Math.abs(large.bytes - 30 * MIB)).toBeLessThanOrEqual(2 * PIECE);
    expect(Math.abs(middle.bytes - 30 * MIB)).toBeLessThanOrEqual(2 * PIECE);
  });

  test("that one does not use is the others', and a newcomer has its part at once", async () => {
    const shared = bandwidth({ totalBytesPerSecond: 4 * MIB });
    const [short, long] = [transfer(shared, { pieces: 2 }), transfer(shared)];
    await pass(10);

    expect(short.bytes).toBe(MIB);
    expect(Math.abs(long.bytes - 39 * MIB)).toBeLessThanOrEqual(2 * PIECE);
    const newcomer = transfer(shared);
    await pass(10);

    expect(Math.abs(newcomer.bytes - 20 * MIB)).toBeLessThanOrEqual(PIECE);
  });

  test("of one transfer is limited by itself, whatever there is in all", async () => {
    const shared = bandwidth({ bytesPerSecond: MIB, totalBytesPerSecond: 100 * MIB });
    const [first, second] = [transfer(shared), transfer(shared)];

    await pass(10);

    for (const { bytes } of [first, second]) expect(Math.abs(bytes - 10 * MIB)).toBeLessThanOrEqual(PIECE);
  });

  test("that nobody took for a while is not saved up", async () => {
    const shared = bandwidth({ totalBytesPerSecond: 10 * MIB });
    await pass(60);

    const late = transfer(shared);
    await pass(1);

    // A second's worth, and a tenth of a second before it.
    expect(late.bytes).toBeLessThanOrEqual(11 * MIB + PIECE);
  });

  test("is free again when a transfer ends while it waits", async () => {
    const shared = bandwidth({ totalBytesPerSecond: MIB });
    const gone = new AbortController();
    const [left, stays] = [transfer(shared, { signal: gone.signal }), transfer(shared)];
    await pass(5);
    gone.abort();
    const before = left.bytes;
    await pass(5);

    // The piece that it waited for is let go, not moved.
    expect(left.bytes).toBeLessThanOrEqual(before + PIECE);
    expect(Math.abs(stays.bytes - 7.5 * MIB)).toBeLessThanOrEqual(2 * PIECE);
  });

  test("a clock that is set back stops nobody", async () => {
    const times = [0, 0, -3_600_000];
    const set = { now: () => clock.now() + (times.shift() ?? -3_600_000), sleep: clock.sleep.bind(clock) };
    const shared = new Bandwidth({ clock: set, waiting }, { totalBytesPerSecond: MIB, bytesPerSecond: 0 });
    const moved = transfer(shared);

    await pass(10);

    expect(moved.bytes).toBeGreaterThan(9 * MIB);
  });
});
