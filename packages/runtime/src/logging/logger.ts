import { join } from "node:path";
import { finished } from "node:stream/promises";
import winston from "winston";
import type { LogFields, LogLevel, LogRecord } from "./log-record.ts";
import { type LogFormat, renderRecord } from "./render.ts";
import { RotatingFile } from "./rotating-file.ts";
import { StandardOutput } from "./standard-output.ts";

/** The message is a constant, facts are fields, the error comes last. A call's field wins over the child's. */
export interface Logger {
  debug(message: string, fields?: LogFields, error?: unknown): void;
  info(message: string, fields?: LogFields, error?: unknown): void;
  warn(message: string, fields?: LogFields, error?: unknown): void;
  error(message: string, fields?: LogFields, error?: unknown): void;
  child(fields: LogFields): Logger;
}

/** A logger that owns its outputs; `close` resolves when every line has been written. */
export interface RootLogger extends Logger {
  close(): Promise<void>;
}

export interface LoggerOptions {
  readonly service: string;
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Folder of `<service>.log`, created if missing; without it, or empty, nothing is written to disk. */
  readonly directory?: string | undefined;
  /** Whether lines also go to standard output; true unless said otherwise. */
  readonly stdout?: boolean;
  /** Size at which `<service>.log` becomes `<service>.log.1`, 64 MiB unless said otherwise; four of those are kept. */
  readonly maxFileBytes?: number;
}

const KEPT_FILES = 4;
const DEFAULT_MAX_FILE_BYTES = 64 * 1024 * 1024;

export function createLogger(options: LoggerOptions): RootLogger {
  const file = openFile(options);
  const streams = [...(options.stdout === false ? [] : [new StandardOutput()]), ...(file === null ? [] : [file])];
  const outputs = streams.map((stream) => new winston.transports.Stream({ stream, eol: "\n" }));
  const sink = winston.createLogger({
    level: options.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf(({ record }) => renderRecord(record as LogRecord, options.format)),
    transports: outputs,
    silent: outputs.length === 0,
  });
  let closed = false;
  const write: RecordSink = (record) => {
    // What is still said after the end (an error while the process goes down) must not be lost nor throw.
    if (closed) process.stderr.write(`${renderRecord(record, options.format)}\n`);
    else sink.log({ level: record.level, message: record.message, record });
  };
  return Object.assign(loggerTo(write, options.service, {}), {
    close: async () => {
      const handedOver = Promise.all(outputs.map((output) => finished(output, { readable: false })));
      closed = true;
      sink.end();
      await handedOver;
      if (file !== null) await finished(file.end());
    },
  });
}

export type RecordSink = (record: LogRecord) => void;

/** The {@link Logger} over any sink of records: what a child inherits and which fields win is decided here alone. */
export function loggerTo(sink: RecordSink, service: string, inherited: LogFields): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields, error?: unknown) => {
    sink({ time: Date.now(), level, service, message, fields: { ...inherited, ...fields }, error });
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => loggerTo(sink, service, { ...inherited, ...fields }),
  };
}

function openFile({ service, directory, maxFileBytes = DEFAULT_MAX_FILE_BYTES }: LoggerOptions): RotatingFile | null {
  if (directory === undefined || directory === "") return null;
  return new RotatingFile({ path: join(directory, `${service}.log`), maxBytes: maxFileBytes, kept: KEPT_FILES });
}
