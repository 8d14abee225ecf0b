import { sha256File } from "@assay/checkpoint/digest";
import { readTensors } from "@assay/checkpoint/safetensors/read";
import type { ExpertGroup, NatsPerToken } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { EvaluationRequest, EvaluatorOptions, Measurement } from "../evaluator.ts";
import { type Batch, selectBatches } from "../text/batches.ts";
import { type Dataset, type DatasetReport, datasetFile, loadDataset } from "../text/dataset.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { LayerwiseForward, lookup, type WeightLookup } from "./forward.ts";
import { ModelSessions } from "./sessions.ts";
import { TrunkCache } from "./trunk-cache.ts";
import { Turns } from "./turns.ts";
import { type BaseModel, type GroupLayout, loadBaseModel, overlayOf, type Weights } from "./weights.ts";

/** What a measurement needs of {@link EvaluatorOptions}; keeping time is the evaluator's business. */
export type EngineOptions = Omit<EvaluatorOptions, "timeoutMillis">;

export interface EngineResult {
  readonly measurement: Measurement;
  /** The held-out text that was measured on. */
  readonly dataset: DatasetReport;
}

/** A version loaded and what runs it. */
interface Base {
  readonly directory: string;
  readonly model: BaseModel;
  readonly forward: LayerwiseForward;
  readonly tokenizer: Tokenizer;
}

/** One group's share of a round: the batches of the seed and the base's loss on them, once it is known. */
interface Plan {
  readonly base: Base;
  readonly group: ExpertGroup;
  readonly layout: GroupLayout;
  readonly dataset: DatasetReport;
  readonly batches: readonly Batch[];
  lossBefore: NatsPerToken | null;
}

const LOGITS_BUDGET_BYTES = 64 * 1024 * 1024;
const TRUNK_CACHE_BYTES = 512 * 1024 * 1024;

/**
 * Measures submissions in this process.
 *
 * Sessions are made once, the base model is read once per version, held-out text once, and what does not depend on a
 * submission is computed once per version, group and seed. Native code blocks the event loop while it runs.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #turns = new Turns();
  readonly #trunks = new TrunkCache({ maxBytes: TRUNK_CACHE_BYTES });
  readonly #datasets = new Map<string, Dataset>();
  /** Plans of the current version and seed, by group. */
  readonly #plans = new Map<ExpertGroup, Plan>();
  #seed: string | null = null;
  #sessions: ModelSessions | null = null;
  #base: Base | null = null;
  #submissionBuffer = new ArrayBuffer(0);

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** One measurement at a time; calls wait for their turn. The signal is looked at between runs of native code. */
  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<EngineResult> {
    return await this.#turns.take(() => this.#measure(request, signal), signal);
  }

  /** Frees the sessions and forgets everything loaded; the next measurement starts anew. */
  async release(): Promise<void> {
    const never = new AbortController().signal;
    await this.#turns.take(async () => {
      this.#forgetBase();
      this.#datasets.clear();
      this.#submissionBuffer = new ArrayBuffer(0);
      await this.#sessions?.release();
      this.#sessions = null;
    }, never);
  }

  async #measure({ base, group, submission, seed }: EvaluationRequest, signal: AbortSignal): Promise<EngineResult> {
    const plan = await this.#planOf(await this.#baseAt(base.directory, signal), group, seed, signal);
    const { batches, dataset } = plan;
    const weights = plan.base.model.weights;
    const lossBefore = await this.#lossBefore(plan, signal);
    const overlay = await this.#overlay(plan, submission, signal);
    const after = await this.#loss(plan, lookup(weights, overlay), signal);
    if (after.badBatch !== null) {
      const detail = `Batch ${after.badBatch + 1} of ${batches.length} has a loss that is not finite`;
      return { dataset, measurement: { kind: "rejected", reason: "non_finite_loss", detail } };
    }
    const { loss: lossAfter, tokens } = after;
    return { dataset, measurement: { kind: "measured", lossBefore, lossAfter, tokens, batches: batches.length } };
  }

  async #baseAt(directory: string, signal: AbortSignal): Promise<Base> {
    if (this.#base?.directory === directory) return this.#base;
    this.#forgetBase();
    const model = await loadBaseModel(directory, signal);
    const sessions = await this.#sessionsFor(model);
    const forward = new LayerwiseForward(
      { sessions, groups: model.groups },
      { logitsBudgetBytes: LOGITS_BUDGET_BYTES },
    );
    this.#base = { directory, model, forward, tokenizer: await loadTokenizer(directory) };
    return this.#base;
  }

  async #sessionsFor({ config }: BaseModel): Promise<ModelSessions> {
    if (this.#sessions !== null && JSON.stringify(this.#sessions.config) === JSON.stringify(config)) {
      return this.#sessions;
    }
    await this.#sessions?.release();
    this.#sessions = null;
    this.#sessions = await ModelSessions.create(config, this.#options);
    return this.#sessions;
  }

  async #planOf(base: Base, group: ExpertGroup, seed: string, signal: AbortSignal): Promise<Plan> {
    if (this.#seed !== seed) {
      this.#forgetPlans();
      this.#seed = seed;
    }
    const known = this.#plans.get(group);
    if (known !== undefined) return known;
    const layout = base.model.groups.get(group);
    if (layout === undefined) {
      throw new EvaluationError(EvaluationErrorCode.GroupUnknown, "Version does not have this expert group", {
        fields: { group, directory: base.directory },
      });
    }
    const dataset = await this.#datasetOf(base, group, signal);
    const batches = selectBatches(dataset, { ...this.#options, seed });
    const plan: Plan = { base, group, layout, dataset: dataset.report, batches, lossBefore: null };
    this.#plans.set(group, plan);
    return plan;
  }

  async #datasetOf({ model, tokenizer }: Base, group: ExpertGroup, signal: AbortSignal): Promise<Dataset> {
    const path = await datasetFile(this.#options.evalDatasetPath, group);
    const key = `${tokenizer.digest} ${path}`;
    const known = this.#datasets.get(key);
    if (known !== undefined) return known;
    const { vocabularySize } = model.config;
    const { sequenceLength } = this.#options;
    const dataset = await loadDataset({ path, tokenizer, sequenceLength, vocabularySize }, signal);
    this.#datasets.set(key, dataset);
    return dataset;
  }

  async #lossBefore(plan: Plan, signal: AbortSignal): Promise<NatsPerToken> {
    if (plan.lossBefore !== null) return plan.lossBefore;
    const { loss, badBatch } = await this.#loss(plan, lookup(plan.base.model.weights), signal);
    if (badBatch !== null || loss <= 0) {
      throw new EvaluationError(EvaluationErrorCode.BaseLossInvalid, "Base model's loss is not a positive number", {
        fields: { directory: plan.base.directory, group: plan.group, loss, badBatch },
      });
    }
    plan.lossBefore = loss;
    return loss;
  }

  async #overlay(
    plan: Plan,
    { path, sha256: expected }: EvaluationRequest["submission"],
    signal: AbortSignal,
  ): Promise<Weights> {
    const { sha256: actual } = await submissionDigest(path, signal);
    if (actual !== expected) {
      throw new EvaluationError(EvaluationErrorCode.SubmissionChanged, "Submission no longer has the accepted bytes", {
        fields: { path, expected, actual },
      });
    }
    const { tensors, buffer } = await readTensors(path, { into: this.#submissionBuffer, signal });
    this.#submissionBuffer = buffer;
    return overlayOf(tensors, plan.base.model, plan.layout);
  }

  /** Mean over all tokens. Stops at the first batch whose loss is not finite: no other batch can make up for it. */
  async #loss(
    { base, group, batches }: Plan,
    weight: WeightLookup,
    signal: AbortSignal,
  ): Promise<{ readonly loss: NatsPerToken; readonly tokens: number; readonly badBatch: number | null }> {
    const baseWeight = lookup(base.model.weights);
    let sum = 0;
    let tokens = 0;
    for (const [index, batch] of batches.entries()) {
      signal.throwIfAborted();
      const makeTrunk = () => base.forward.trunk(batch, group, baseWeight, signal);
      const trunk = await this.#trunks.get(`${group}/${index}`, makeTrunk);
      const batchSum = await base.forward.loss(trunk, group, weight, signal);
      if (!Number.isFinite(batchSum)) return { loss: batchSum, tokens, badBatch: index };
      sum += batchSum;
      tokens += batch.targets.length;
    }
    return { loss: sum / tokens, tokens, badBatch: null };
  }

  #forgetBase(): void {
    this.#base = null;
    this.#forgetPlans();
  }

  #forgetPlans(): void {
    this.#plans.clear();
    this.#trunks.clear();
  }
}

async function submissionDigest(path: string, signal: AbortSignal): Promise<{ readonly sha256: string }> {
  try {
    return await sha256File(path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new EvaluationError(EvaluationErrorCode.SubmissionChanged, "Submission cannot be read", {
      fields: { path },
      cause,
    });
  }
}
