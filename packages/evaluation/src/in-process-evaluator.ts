import { access } from "node:fs/promises";
import type { Logger } from "@assay/runtime/logging/logger";
import { DatasetLog } from "./dataset-log.ts";
import { Engine } from "./engine/engine.ts";
import { EvaluationError, EvaluationErrorCode } from "./evaluation-error.ts";
import type { EvaluationRequest, Evaluator, EvaluatorOptions, Measurement } from "./evaluator.ts";
import { inTime } from "./in-time.ts";
import { Measurer } from "./measurer.ts";
import { Turns } from "./turns.ts";

/**
 * Measures in the calling process: for tools and tests.
 *
 * The event loop stands still while native code runs, and a run that hangs cannot be ended, so the deadline only takes
 * effect between runs.
 */
export class InProcessEvaluator implements Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #logger: Logger;
  readonly #datasets: DatasetLog;
  readonly #turns = new Turns();
  #measurer: Measurer | null = null;

  constructor({ logger }: { readonly logger: Logger }, options: EvaluatorOptions) {
    this.#options = options;
    this.#logger = logger.child({ module: "evaluation" });
    this.#datasets = new DatasetLog({ logger: this.#logger });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await checkDatasetPath(this.#options.evalDatasetPath);
    this.#measurer = new Measurer(new Engine(this.#options), this.#options, this.#logger);
  }

  async stop(): Promise<void> {
    const measurer = this.#measurer;
    this.#measurer = null;
    await measurer?.release();
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    const measurer = this.#measurer;
    if (measurer === null) throw notRunning();
    return await this.#turns.take(() => this.#evaluateInTime(measurer, request, signal), signal);
  }

  prepare(request: EvaluationRequest): void {
    this.#measurer?.prepare(request);
  }

  async #evaluateInTime(measurer: Measurer, request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    const { timeoutMillis } = this.#options;
    return await inTime(timeoutMillis, { signal, late: () => tooLong(timeoutMillis) }, async (limited) => {
      const { measurement, dataset } = await measurer.evaluate(request, limited);
      this.#datasets.note(dataset);
      return measurement;
    });
  }
}

/** @throws EvaluationError `EVALUATION_DATASET_INVALID` if nothing is at the path, so that a start fails early. */
export async function checkDatasetPath(path: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset cannot be read", {
      fields: { path },
      cause,
    });
  }
}

/** For a measurement before `start` or after `stop`. */
export function notRunning(): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.NotRunning, "The evaluator is not running");
}

function tooLong(timeoutMillis: number): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.Deadline, "Measurement took too long", {
    retryable: true,
    fields: { timeoutMillis },
  });
}
