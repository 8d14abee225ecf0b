export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** `error`: an operator must act. `warn`: degraded and healing itself. `info`: the story. `debug`: the rest. */
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogValue = string | number | boolean | bigint | null | undefined | readonly LogValue[];
/** Facts of one line. `camelCase` keys are printed as `snake_case`, and `roundId` as `round`; undefined is left out. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** One line before it has a form. */
export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: LogLevel;
  readonly service: string;
  readonly message: string;
  readonly fields: LogFields;
  readonly error?: unknown;
}
