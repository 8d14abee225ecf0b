import type { Clock } from "@assay/runtime/time/clock";
import type { CutReason } from "./cut-transfer.ts";

export interface ReaderLimits {
  /** Least mean rate over a window in which bytes lay ready all the time. */
  readonly minBytesPerSecond: number;
  readonly windowMillis: number;
  /** Longest time for one transfer, however fast. */
  readonly maxMillis: number;
}

/** The two numbers of a `net.Socket` that tell what its reader took. */
export interface WatchedSocket {
  /** Bytes that were handed to the socket, taken or not. */
  readonly bytesWritten: number;
  /** Bytes that the operating system has not taken yet. */
  readonly writableLength: number;
}

const SAMPLES_PER_WINDOW = 10;

/**
 * Resolves with the reason when a reader must be cut; never otherwise, until the signal is aborted.
 *
 * Only time in which bytes lay ready for the reader counts, so a disk that is slow costs no reader its transfer.
 */
export async function watchReader(
  socket: WatchedSocket,
  clock: Clock,
  limits: ReaderLimits,
  signal: AbortSignal,
): Promise<Extract<CutReason, "too_slow" | "too_long"> | null> {
  const step = limits.windowMillis / SAMPLES_PER_WINDOW;
  const window = new BlockedWindow(limits);
  let before = sampleOf(socket);
  for (let elapsed = 0; elapsed < limits.maxMillis; elapsed += step) {
    try {
      await clock.sleep(step, signal);
    } catch {
      return null;
    }
    const now = sampleOf(socket);
    if (before.isBlocked && now.isBlocked && window.isTooSlow(step, now.taken - before.taken)) {
      return "too_slow";
    }
    before = now;
  }
  return "too_long";
}

function sampleOf({ bytesWritten, writableLength }: WatchedSocket) {
  return { taken: bytesWritten - writableLength, isBlocked: writableLength > 0 };
}

/** Adds up blocked time until a window of it is full, and what was taken in it. */
class BlockedWindow {
  readonly #limits: ReaderLimits;
  #millis = 0;
  #bytes = 0;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  isTooSlow(millis: number, bytes: number): boolean {
    this.#millis += millis;
    this.#bytes += bytes;
    if (this.#millis < this.#limits.windowMillis) {
      return false;
    }
    const isSlow = this.#bytes < (this.#limits.minBytesPerSecond * this.#millis) / 1000;
    this.#millis = 0;
    this.#bytes = 0;
    return isSlow;
  }
}
