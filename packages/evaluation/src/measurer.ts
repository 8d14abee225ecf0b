import type { BatchLoss, ChosenText } from "@assay/core/scoring/outcome";
import type { Stage } from "@assay/core/scoring/sequential/stages";
import type { NatsPerToken } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { baseKey } from "./base-key.ts";
import { EvaluationError, EvaluationErrorCode } from "./evaluation-error.ts";
import type { EvaluationRequest, EvaluatorOptions, Measurement } from "./evaluator.ts";
import type { BatchSet, LossBackend } from "./loss-backend.ts";
import type { DatasetReport } from "./text/dataset.ts";
import { HeldOutText } from "./text/held-out-text.ts";
import { Turns } from "./turns.ts";

/** What a measurement needs of {@link EvaluatorOptions}; keeping time is the evaluator's business. */
export type MeasurerOptions = Omit<EvaluatorOptions, "timeoutMillis" | "memoryLimitMiB">;

export interface MeasuredText {
  readonly measurement: Measurement;
  /** The held-out text that was measured on. */
  readonly dataset: DatasetReport;
}

/** Turns losses into measurements: chooses the text, keeps the base's losses, judges what is not finite. */
export class Measurer {
  readonly #backend: LossBackend;
  readonly #text: HeldOutText;
  readonly #turns = new Turns();
  /** The base's losses of the current version, by group and batches. */
  readonly #before = new Map<string, readonly number[]>();
  #baseKey: string | null = null;

  /** @param logger is told about reading text, at debug; nobody is unless given. */
  constructor(backend: LossBackend, options: MeasurerOptions, logger: Pick<Logger, "debug"> = { debug: () => {} }) {
    this.#backend = backend;
    this.#text = new HeldOutText({ logger }, options);
  }

  /** One measurement at a time; calls wait for their turn. */
  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<MeasuredText> {
    return await this.#turns.take(() => this.#measure(request, signal), signal);
  }

  /** See `Evaluator.prepare`. */
  prepare(request: EvaluationRequest): void {
    this.#backend.prepare?.(request);
  }

  /** Frees everything loaded; the next measurement starts anew. */
  async release(): Promise<void> {
    const never = new AbortController().signal;
    await this.#turns.take(async () => {
      this.#before.clear();
      this.#text.release();
      await this.#backend.release();
    }, never);
  }

  async #measure(request: EvaluationRequest, signal: AbortSignal): Promise<MeasuredText> {
    const { base, group, submission, seed, stage } = request;
    const { dataset, batches: all, chosen } = await this.#text.of({ directory: base.directory, group, seed }, signal);
    const batches = stage === undefined ? all : stageOf(all, stage);
    const before = await this.#lossesBefore(request, batches, signal);
    const after = await this.#backend.losses({ base, group, submission, batches }, signal);
    const first = stage?.firstBatch ?? 0;
    const bad = firstNonFinite(after);
    if (bad !== -1) {
      const detail = `Batch ${first + bad + 1} of ${all.batches.length} has a loss that is not finite`;
      return { dataset, measurement: { kind: "rejected", reason: "non_finite_loss", detail } };
    }
    const text = chosenOf(chosen, first, batches);
    const measurement = this.#measured(batches, { before, after }, { dataset, text });
    if (stage === undefined) return { dataset, measurement };
    const batchesLeft = all.batches.length - first - batches.batches.length;
    return { dataset, measurement: { ...measurement, batchesLeft } };
  }

  async #lossesBefore(
    { base, group }: EvaluationRequest,
    batches: BatchSet,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    if (this.#baseKey !== baseKey(base)) this.#before.clear();
    this.#baseKey = baseKey(base);
    const key = `${group} ${batches.key}`;
    const known = this.#before.get(key);
    if (known !== undefined) return known;
    const before = await this.#backend.losses({ base, group, submission: null, batches }, signal);
    const bad = firstNonFinite(before);
    if (bad !== -1 || sumOf(before) <= 0) {
      const fields = { directory: base.directory, group, loss: sumOf(before), badBatch: bad === -1 ? null : bad };
      throw new EvaluationError(EvaluationErrorCode.BaseLossInvalid, "Base model's loss is not a positive number", {
        fields,
      });
    }
    this.#before.set(key, before);
    return before;
  }

  /** Both means are taken over all tokens: sums are added in float64, in the order of the batches, and divided once. */
  #measured(
    { batches }: BatchSet,
    { before, after }: { readonly before: readonly number[]; readonly after: readonly number[] },
    { dataset, text }: { readonly dataset: DatasetReport; readonly text: ChosenText },
  ): Extract<Measurement, { kind: "measured" }> {
    const batchLosses = batches.map(
      ({ targets }, index): BatchLoss => ({
        tokens: targets.length,
        before: before[index] ?? Number.NaN,
        after: after[index] ?? Number.NaN,
      }),
    );
    const tokens = batchLosses.reduce((sum, batch) => sum + batch.tokens, 0);
    const mean = (losses: readonly number[]): NatsPerToken => sumOf(losses) / tokens;
    const { band, runtime } = this.#backend;
    return {
      kind: "measured",
      lossBefore: mean(before),
      lossAfter: mean(after),
      tokens,
      batchLosses,
      band,
      datasetSha256: dataset.sha256,
      text,
      runtime: { ...runtime, node: process.versions.node },
    };
  }
}

/** @throws RangeError where the text ends before the stage begins (a caller's bug: the stage before said so). */
function stageOf({ key, batches }: BatchSet, { firstBatch, batches: count }: Stage): BatchSet {
  const ofStage = batches.slice(firstBatch, firstBatch + count);
  if (ofStage.length === 0) throw new RangeError(`There are ${batches.length} batches and no ${firstBatch + 1}th`);
  return { key: `${key} ${firstBatch}+${count}`, batches: ofStage };
}

/** The sequences of some batches, of which all but the very last are of one size. */
function chosenOf({ chosen, ...text }: ChosenText, firstBatch: number, { batches }: BatchSet): ChosenText {
  const first = firstBatch * text.batchSize;
  const count = batches.reduce((sum, { sequences }) => sum + sequences, 0);
  return { ...text, chosen: chosen.slice(first, first + count) };
}

function firstNonFinite(losses: readonly number[]): number {
  return losses.findIndex((loss) => !Number.isFinite(loss));
}

function sumOf(losses: readonly number[]): number {
  return losses.reduce((sum, loss) => sum + loss, 0);
}
