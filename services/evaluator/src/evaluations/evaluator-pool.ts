import type { EvaluationRequest, Evaluator, Measurement } from "@assay/evaluation/evaluator";

/** An evaluator that says when a measurement begins, which is not when it is asked for. */
export interface SharedEvaluator extends Evaluator {
  evaluate(request: EvaluationRequest, signal: AbortSignal, began?: () => void): Promise<Measurement>;
}

/**
 * Several evaluators as one: each request goes to a free one, or waits for the first that becomes free.
 *
 * The evaluator that has been at work the longest is told of the first that waits, so that it can read the file already.
 */
export class EvaluatorPool implements SharedEvaluator {
  readonly #evaluators: readonly Evaluator[];
  readonly #free: Evaluator[] = [];
  /** In the order in which they began. */
  readonly #busy: Evaluator[] = [];
  readonly #waiting: Waiting[] = [];

  constructor(evaluators: readonly Evaluator[]) {
    this.#evaluators = evaluators;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#evaluators.map((evaluator) => evaluator.start(signal)));
    this.#free.splice(0, Number.POSITIVE_INFINITY, ...this.#evaluators);
    this.#busy.length = 0;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#evaluators.map((evaluator) => evaluator.stop()));
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal, began?: () => void): Promise<Measurement> {
    const evaluator = this.#free.pop() ?? (await this.#wait(request));
    began?.();
    this.#busy.push(evaluator);
    this.#announce();
    try {
      return await evaluator.evaluate(request, signal);
    } finally {
      this.#busy.splice(this.#busy.indexOf(evaluator), 1);
      const next = this.#waiting.shift();
      if (next) next.take(evaluator);
      else this.#free.push(evaluator);
    }
  }

  #wait(request: EvaluationRequest): Promise<Evaluator> {
    const { promise, resolve: take } = Promise.withResolvers<Evaluator>();
    this.#waiting.push({ request, take });
    this.#announce();
    return promise;
  }

  #announce(): void {
    const [next] = this.#waiting;
    if (next) this.#busy[0]?.prepare?.(next.request);
  }
}

interface Waiting {
  readonly request: EvaluationRequest;
  readonly take: (evaluator: Evaluator) => void;
}
