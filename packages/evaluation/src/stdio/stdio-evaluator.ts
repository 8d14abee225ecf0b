import { ChildError, ChildErrorCode } from "@assay/runtime/child/child-error";
import type { Logger } from "@assay/runtime/logging/logger";
import { DatasetLog } from "../dataset-log.ts";
import type { EvaluationRequest, Evaluator, EvaluatorOptions, Measurement } from "../evaluator.ts";
import { checkDatasetPath, notRunning } from "../in-process-evaluator.ts";
import { inTime } from "../in-time.ts";
import { Measurer } from "../measurer.ts";
import { Turns } from "../turns.ts";
import { StdioBackend, type StdioBackendOptions } from "./stdio-backend.ts";

export type StdioEvaluatorOptions = EvaluatorOptions & Pick<StdioBackendOptions, "command" | "startDeadlineMillis">;

interface Running {
  readonly backend: StdioBackend;
  readonly measurer: Measurer;
}

/**
 * Measures with another program's losses: text is chosen here, the program only computes.
 *
 * The program is killed at a measurement's deadline and when one is aborted; that, its crash and whatever it says that
 * is no reply is our failure, and the next measurement gets a fresh one.
 *
 * @see packages/docs/contributors/evaluation-backend.md for what the program must do
 */
export class StdioEvaluator implements Evaluator {
  readonly #logger: Logger;
  readonly #options: StdioEvaluatorOptions;
  readonly #datasets: DatasetLog;
  readonly #turns = new Turns();
  #running: Running | null = null;

  constructor({ logger }: { readonly logger: Logger }, options: StdioEvaluatorOptions) {
    this.#logger = logger.child({ module: "evaluation" });
    this.#options = options;
    this.#datasets = new DatasetLog({ logger: this.#logger });
  }

  /** Process id of the program; null while there is none. */
  get pid(): number | null {
    return this.#running?.backend.pid ?? null;
  }

  async start(signal: AbortSignal): Promise<void> {
    await checkDatasetPath(this.#options.evalDatasetPath);
    const backend = new StdioBackend({ logger: this.#logger }, this.#options);
    this.#running = { backend, measurer: new Measurer(backend, this.#options) };
    await backend.start(signal);
  }

  /** Ends the program first: what is being measured must not hold it up. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.backend.release();
    await running?.measurer.release();
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    const running = this.#running;
    if (running === null) throw notRunning();
    return await this.#turns.take(() => this.#evaluateInTime(running.measurer, request, signal), signal);
  }

  async #evaluateInTime(measurer: Measurer, request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    const { timeoutMillis } = this.#options;
    return await inTime(timeoutMillis, { signal, late: () => late(timeoutMillis) }, async (limited) => {
      const { measurement, dataset } = await measurer.evaluate(request, limited);
      this.#datasets.note(dataset);
      return measurement;
    });
  }
}

function late(deadlineMs: number): ChildError {
  return new ChildError(ChildErrorCode.Deadline, `No loss within ${deadlineMs} ms`, {
    retryable: true,
    fields: { deadlineMs },
  });
}
