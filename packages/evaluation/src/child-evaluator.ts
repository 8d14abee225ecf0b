import { ChildProcess } from "@assay/runtime/child/child-process";
import { moduleUrl } from "@assay/runtime/child/module-url";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ChildRequest } from "./child/request.ts";
import { DatasetLog } from "./dataset-log.ts";
import type { EvaluationRequest, Evaluator, EvaluatorOptions, Measurement } from "./evaluator.ts";
import { checkDatasetPath, notRunning } from "./in-process-evaluator.ts";
import type { MeasuredText, MeasurerOptions } from "./measurer.ts";
import { Turns } from "./turns.ts";

/**
 * Measures in a process of its own, which only gets paths and numbers.
 *
 * Native code cannot be stopped from outside but by a kill: a measurement past its deadline costs the child its life,
 * and so may an abort. A crash, a hang or a lack of memory is our failure (`CHILD_DEADLINE`, `CHILD_EXITED`,
 * `CHILD_MEMORY`), never a result; the next measurement gets a new child.
 */
export class ChildEvaluator implements Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #child: ChildProcess<ChildRequest, MeasuredText | null>;
  readonly #datasets: DatasetLog;
  readonly #turns = new Turns();
  #running = false;

  constructor({ logger }: { readonly logger: Logger }, options: EvaluatorOptions) {
    const { timeoutMillis: _, memoryLimitMiB = 0, ...measurerOptions } = options;
    this.#options = options;
    this.#datasets = new DatasetLog({ logger: logger.child({ module: "evaluation" }) });
    this.#child = new ChildProcess(
      { logger },
      {
        name: "evaluation",
        module: moduleUrl(import.meta.url, "./child/entry"),
        args: [JSON.stringify(measurerOptions satisfies MeasurerOptions)],
        execArgv: [`--max-old-space-size=${heapMiB(memoryLimitMiB)}`],
        memoryLimitMiB,
      },
    );
  }

  /** Process id of the child; null while there is none. */
  get pid(): number | null {
    return this.#child.pid;
  }

  async start(signal: AbortSignal): Promise<void> {
    await checkDatasetPath(this.#options.evalDatasetPath);
    await this.#child.start(signal);
    this.#running = true;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#child.stop();
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement> {
    if (!this.#running) throw notRunning();
    return await this.#turns.take(async () => {
      const measured = await this.#ask("evaluate", request, signal);
      if (measured === null) throw new Error("The child gave no measurement");
      this.#datasets.note(measured.dataset);
      return measured.measurement;
    }, signal);
  }

  prepare(request: EvaluationRequest): void {
    if (this.#child.pid === null) return;
    this.#ask("prepare", request, new AbortController().signal).catch(() => undefined);
  }

  async #ask(
    kind: ChildRequest["kind"],
    request: EvaluationRequest,
    signal: AbortSignal,
  ): Promise<MeasuredText | null> {
    return await this.#child.request({ kind, request }, { deadlineMs: this.#options.timeoutMillis, signal });
  }
}

/**
 * Limit of the child's JavaScript heap, which holds tokenizer and names and no tensors: the same on every machine, and
 * reached before the limit of the whole process where that is smaller.
 */
function heapMiB(memoryLimitMiB: number): number {
  return memoryLimitMiB === 0 ? MAX_HEAP_MIB : Math.min(MAX_HEAP_MIB, memoryLimitMiB);
}

const MAX_HEAP_MIB = 2_048;
