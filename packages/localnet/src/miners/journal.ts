import { isAppError } from "@assay/core/app-error";
import type { Logger } from "@assay/runtime/logging/logger";

type LogFields = NonNullable<Parameters<Logger["info"]>[1]>;

/** Takes one step of a miner's story; the error comes last. */
export type Journal = (event: string, fields?: LogFields, error?: unknown) => void;

/** Writes a JSON object per line: `time`, `event`, the facts given here, the facts of the step, the error's code. */
export function createJournal(write: (line: string) => void, facts: () => LogFields): Journal {
  return (event, fields = {}, error) => {
    const line = { time: new Date().toISOString(), event, ...facts(), ...fields, ...describe(error) };
    write(`${JSON.stringify(line, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`);
  };
}

/** The same journal for parts that want a logger; everything below a warning is left out. */
export function journalLogger(journal: Journal, inherited: LogFields = {}): Logger {
  const at = (level: string) => (message: string, fields?: LogFields, error?: unknown) =>
    journal("log", { level, message, ...inherited, ...fields }, error);
  const quiet = (): void => undefined;
  return {
    debug: quiet,
    info: quiet,
    warn: at("warn"),
    error: at("error"),
    child: (fields) => journalLogger(journal, { ...inherited, ...fields }),
  };
}

function describe(error: unknown): object {
  if (error === undefined) return {};
  if (isAppError(error)) return { code: error.code, error: error.message, details: error.fields };
  return { error: error instanceof Error ? error.message : String(error) };
}
