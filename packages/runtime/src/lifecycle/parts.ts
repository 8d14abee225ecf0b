import type { Logger } from "../logging/logger.ts";
import type { Startable } from "./startable.ts";

/**
 * Starts parts one after the other.
 *
 * @param started grows as parts begin to start, so a part whose start failed half-way is stopped as well.
 */
export async function startParts(
  parts: readonly Startable[],
  started: Startable[],
  signal: AbortSignal,
): Promise<void> {
  for (const part of parts) {
    signal.throwIfAborted();
    started.push(part);
    await part.start(signal);
  }
}

/** Stops parts in reverse order. All are stopped even if one fails; then the first failure is thrown. */
export async function stopParts(started: readonly Startable[], logger: Logger): Promise<void> {
  const failures: unknown[] = [];
  for (const part of started.toReversed()) {
    try {
      await part.stop();
    } catch (error) {
      logger.error("Could not stop a part", { part: part.constructor.name }, error);
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
