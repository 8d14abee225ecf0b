import type { LogRecord } from "./log-record.ts";
import { type Logger, loggerTo } from "./logger.ts";
import { renderRecord } from "./render.ts";

/** A logger for tests: keeps what was logged and prints nothing. */
export interface MemoryLogger extends Logger {
  readonly records: readonly LogRecord[];
  /** Every line as the human form prints it, without the time. */
  lines(): readonly string[];
}

export function createMemoryLogger(service = "test"): MemoryLogger {
  const records: LogRecord[] = [];
  const logger = loggerTo((record) => records.push(record), service, {});
  const timeLength = "2026-11-21 23:30:15.123 ".length;
  return {
    ...logger,
    records,
    lines: () => records.map((record) => renderRecord(record, "human").slice(timeLength)),
  };
}
