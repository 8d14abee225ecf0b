import type { EvaluationRequest, Evaluator, Measurement } from "@assay/evaluation/evaluator";

/** Several evaluators as one: each request goes to a free one, or waits for the first that becomes free. */
export class EvaluatorPool implements Evaluator {
  readonly #evaluators: readonly Evaluator[];
  readonly #free: Evaluator[] = [];
  readonly #waiting: ((evaluator: Evaluator) => void)[] = [];

  constructor(evaluators: readonly Evaluator[]) {
    this.#evaluators = evaluators;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#evaluators.map((evaluator) => evaluator.start(signal)));
    this.#free.splice(0, Number.POSITIVE_INFINITY, ...this.#evaluators);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#evaluators.map((evaluator) => evaluator.stop()));
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    const evaluator = this.#free.pop() ?? (await new Promise<Evaluator>((resolve) => this.#waiting.push(resolve)));
    try {
      return await evaluator.evaluate(request, signal);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(evaluator);
      else this.#free.push(evaluator);
    }
  }
}
