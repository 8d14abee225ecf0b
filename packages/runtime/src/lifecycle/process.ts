import { isAppError } from "@assay/core/app-error";
import { ConfigErrorCode, isConfigError } from "../config/config-error.ts";
import { createLogger, type Logger } from "../logging/logger.ts";
import { withDeadline } from "../time/deadline.ts";
import { startParts, stopParts } from "./parts.ts";
import type { Startable } from "./startable.ts";

/** Ends with 0 only after a requested stop that finished in time. */
const EXIT_CODES = { stopped: 0, crashed: 1, configInvalid: 2 } as const;

export interface ProcessOptions {
  readonly name: string;
  /** Used from the first line on; without one, a human-readable logger on standard output. */
  readonly logger?: ProcessLogger;
  /** All parts together have this long to stop; 20 s unless said otherwise, here or by the composition root. */
  readonly stopDeadlineMs?: number;
}

/** A logger that may own outputs to be flushed before the process ends. */
export type ProcessLogger = Logger & { close?(): Promise<void> };

/** What the composition root may use of the process it composes. */
export interface ProcessContext {
  /** Aborted as soon as the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Replaces the first logger once the configuration says how to log; it is flushed at the end. */
  useLogger(logger: ProcessLogger): void;
  /** For a configuration that says how long stopping may take. */
  useStopDeadline(ms: number): void;
  /** For a part that can no longer do its work: logs the error, stops the others, ends with 1. */
  fail(error: unknown): void;
}

/**
 * Runs a service until it is told to stop; never resolves, because it ends the process.
 *
 * SIGTERM and SIGINT stop the parts in reverse order; the second signal ends the process at once. An error that
 * nobody caught is a bug: it is logged and ends the process. A `CONFIG_INVALID` prints every problem.
 */
export async function runProcess(
  options: ProcessOptions,
  compose: (context: ProcessContext) => Promise<readonly Startable[]>,
): Promise<never> {
  const run = new ProcessRun(options);
  run.listen();
  const code = await run.live(compose);
  return run.exit(code);
}

const DEFAULT_STOP_DEADLINE_MS = 20_000;
const FLUSH_DEADLINE_MS = 2_000;
const KEEP_ALIVE_MS = 60_000;

class ProcessRun {
  readonly #stopping = new AbortController();
  readonly #ended = Promise.withResolvers<number>();
  #logger: ProcessLogger;
  #stopDeadlineMs: number;

  constructor(options: ProcessOptions) {
    this.#stopDeadlineMs = options.stopDeadlineMs ?? DEFAULT_STOP_DEADLINE_MS;
    this.#logger = options.logger ?? createLogger({ service: options.name, level: "info", format: "human" });
  }

  listen(): void {
    // A diagnostic report of a crash is made to be passed on, and the environment holds secrets.
    process.report.excludeEnv = true;
    for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => this.#onSignal(name));
    process.on("uncaughtException", (error, origin) => this.#onCrash(error, origin));
  }

  async live(compose: (context: ProcessContext) => Promise<readonly Startable[]>): Promise<number> {
    const started: Startable[] = [];
    // A service without a socket or timer of its own would otherwise end by itself, also while it starts.
    const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
    try {
      const parts = await compose({
        signal: this.#stopping.signal,
        useLogger: (logger) => this.#useLogger(logger),
        useStopDeadline: (ms) => {
          this.#stopDeadlineMs = ms;
        },
        fail: (error) => this.#fail(error),
      });
      await startParts(parts, started, this.#stopping.signal);
      this.#logger.info("Service started", { pid: process.pid });
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#ended.resolve(reportStartFailure(this.#logger, error));
    }
    const code = await this.#ended.promise;
    clearInterval(alive);
    return (await this.#stop(started)) ? code : EXIT_CODES.crashed;
  }

  async exit(code: number): Promise<never> {
    await this.#flush(this.#logger);
    process.exit(code);
  }

  #useLogger(logger: ProcessLogger): void {
    this.#logger = logger;
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (this.#stopping.signal.aborted) {
      this.#logger.error("Stopping at once", { signal });
      void this.exit(EXIT_CODES.crashed);
      return;
    }
    this.#logger.info("Stopping", { signal });
    this.#ended.resolve(EXIT_CODES.stopped);
    this.#stopping.abort(new Error(`Stopped by ${signal}`));
  }

  #fail(error: unknown): void {
    this.#logger.error("Service failed", {}, error);
    this.#ended.resolve(EXIT_CODES.crashed);
    this.#stopping.abort(error);
  }

  #onCrash(error: unknown, origin: string): void {
    this.#logger.error("Service crashed", { origin }, error);
    void this.exit(EXIT_CODES.crashed);
  }

  async #stop(started: readonly Startable[]): Promise<boolean> {
    this.#stopping.abort(new Error("Stopping"));
    try {
      await withDeadline(stopParts(started, this.#logger), this.#stopDeadlineMs, "Stopping the service");
      if (started.length > 0) this.#logger.info("Service stopped");
      return true;
    } catch (error) {
      this.#logger.error("Could not stop cleanly", {}, error);
      return false;
    }
  }

  async #flush(logger: ProcessLogger): Promise<void> {
    const flushed = logger.close?.() ?? Promise.resolve();
    await withDeadline(flushed, FLUSH_DEADLINE_MS, "Writing the log").catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
    });
  }
}

function reportStartFailure(logger: Logger, error: unknown): number {
  if (isConfigError(error)) {
    logger.error("Configuration is not valid", { code: error.code, problems: error.problems.length });
    for (const { path, message, file, line } of error.problems) {
      logger.error("Configuration problem", { key: path, problem: message, file, line });
    }
    return EXIT_CODES.configInvalid;
  }
  logger.error("Could not start", {}, error);
  return isAppError(error) && error.code === ConfigErrorCode.Invalid ? EXIT_CODES.configInvalid : EXIT_CODES.crashed;
}
