import type { EvaluationRequest, Evaluator, Measurement } from "@assay/evaluation/evaluator";

/** The port without a model: for tests of what stands on an evaluator. */
export class FakeEvaluator implements Evaluator {
  /** What was asked for, in order. */
  readonly requests: EvaluationRequest[] = [];
  readonly #measure: (request: EvaluationRequest, signal: AbortSignal) => Promise<Measurement>;

  /** @param measure decides each measurement; what it throws is the evaluator's failure. */
  constructor(measure: (request: EvaluationRequest, signal: AbortSignal) => Promise<Measurement>) {
    this.#measure = measure;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    signal.throwIfAborted();
    this.requests.push(request);
    return await this.#measure(request, signal);
  }
}
