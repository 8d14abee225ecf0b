import { sha256File } from "@assay/checkpoint/digest";
import { readTensors } from "@assay/checkpoint/safetensors/read";
import type { ExpertGroup } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { EvaluationRequest, EvaluatorOptions } from "../evaluator.ts";
import type { BatchSet, LossBackend, LossRequest } from "../loss-backend.ts";
import { LayerwiseForward, lookup, type WeightLookup } from "./forward.ts";
import { ModelSessions } from "./sessions.ts";
import { TrunkCache } from "./trunk-cache.ts";
import { type BaseModel, type GroupLayout, loadBaseModel, overlayOf, type Weights } from "./weights.ts";

export type EngineOptions = Pick<EvaluatorOptions, "sequenceLength" | "threads" | "device">;

/** A version loaded and what runs it. */
interface Base {
  readonly directory: string;
  readonly model: BaseModel;
  readonly forward: LayerwiseForward;
}

const LOGITS_BUDGET_BYTES = 64 * 1024 * 1024;
const TRUNK_CACHE_BYTES = 512 * 1024 * 1024;
const LOSS_BAND = 1e-5;

/**
 * Computes losses in this process with ONNX Runtime.
 *
 * Sessions are made once, the base model is read once per version, and what does not depend on a submission is computed
 * once per version, group and batches. Native code blocks the event loop while it runs. One request at a time.
 */
export class Engine implements LossBackend {
  readonly band = LOSS_BAND;
  readonly #options: EngineOptions;
  readonly #trunks = new TrunkCache({ maxBytes: TRUNK_CACHE_BYTES });
  #sessions: ModelSessions | null = null;
  #base: Base | null = null;
  #submissionBuffer = new ArrayBuffer(0);

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** The signal is looked at between runs of native code. */
  async losses({ base, group, submission, batches }: LossRequest, signal: AbortSignal): Promise<readonly number[]> {
    const loaded = await this.#baseAt(base.directory, signal);
    const layout = loaded.model.groups.get(group);
    if (layout === undefined) {
      throw new EvaluationError(EvaluationErrorCode.GroupUnknown, "Version does not have this expert group", {
        fields: { group, directory: base.directory },
      });
    }
    const { weights } = loaded.model;
    if (submission === null) return await this.#sums(loaded, group, batches, lookup(weights), signal);
    const overlay = await this.#overlay(loaded.model, layout, submission, signal);
    return await this.#sums(loaded, group, batches, lookup(weights, overlay), signal);
  }

  async release(): Promise<void> {
    this.#forgetBase();
    this.#submissionBuffer = new ArrayBuffer(0);
    await this.#sessions?.release();
    this.#sessions = null;
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
    this.#base = { directory, model, forward };
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

  async #overlay(
    base: BaseModel,
    layout: GroupLayout,
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
    return overlayOf(tensors, base, layout);
  }

  async #sums(
    { model, forward }: Base,
    group: ExpertGroup,
    { key, batches }: BatchSet,
    weight: WeightLookup,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const baseWeight = lookup(model.weights);
    const sums: number[] = [];
    for (const [index, batch] of batches.entries()) {
      signal.throwIfAborted();
      const makeTrunk = () => forward.trunk(batch, group, baseWeight, signal);
      const trunk = await this.#trunks.get(`${group}/${key}/${index}`, makeTrunk);
      sums.push(await forward.loss(trunk, group, weight, signal));
    }
    return sums;
  }

  #forgetBase(): void {
    this.#base = null;
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
