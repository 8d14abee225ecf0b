import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Sha256Hex } from "@assay/core/units";

/** Which bytes are taken at most and at least. */
export interface IntakeLimits {
  readonly maxBytes: number;
  /** Over each window of waiting for them; 0 for none. Time in which the disk is written to does not count. */
  readonly minBytesPerSecond: number;
  /** Half a minute when absent. */
  readonly windowMillis?: number;
}

export type Taken =
  | { readonly kind: "all"; readonly sha256: Sha256Hex }
  /** More or slower than the limits; what came before is in the file. */
  | { readonly kind: "too_long" }
  | { readonly kind: "too_slow" };

/**
 * Writes bytes to a file as they come, and hashes them.
 *
 * Every piece is written before the next is asked for, so what came before a failure of their source is kept.
 *
 * @param flags of the file: begin it, or go on at its end.
 */
export async function takeInto(
  path: string,
  flags: "w" | "a",
  pieces: AsyncIterable<Uint8Array>,
  limits: IntakeLimits,
): Promise<Taken> {
  const hash = createHash("sha256");
  const pace = new Pace(limits);
  const file = await open(path, flags);
  let bytes = 0;
  try {
    pace.wait();
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > limits.maxBytes) return { kind: "too_long" };
      const isTooSlow = pace.came(piece.length);
      hash.update(piece);
      await file.appendFile(piece);
      if (isTooSlow) return { kind: "too_slow" };
      pace.wait();
    }
    return { kind: "all", sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

const WINDOW_MILLIS = 30_000;

/** Bytes over the time that was spent waiting for them. Looked at when some come: silence has a limit of its own. */
class Pace {
  readonly #minBytesPerSecond: number;
  readonly #windowMillis: number;
  #waitingSince = 0;
  #waitedMillis = 0;
  #bytes = 0;

  constructor({ minBytesPerSecond, windowMillis = WINDOW_MILLIS }: IntakeLimits) {
    this.#minBytesPerSecond = minBytesPerSecond;
    this.#windowMillis = windowMillis;
  }

  wait(): void {
    this.#waitingSince = performance.now();
  }

  /** @returns whether a window is full in which too few came. */
  came(bytes: number): boolean {
    this.#waitedMillis += performance.now() - this.#waitingSince;
    this.#bytes += bytes;
    if (this.#waitedMillis < this.#windowMillis) return false;
    const isTooSlow = this.#bytes < (this.#minBytesPerSecond * this.#waitedMillis) / 1000;
    this.#waitedMillis = 0;
    this.#bytes = 0;
    return isTooSlow;
  }
}
