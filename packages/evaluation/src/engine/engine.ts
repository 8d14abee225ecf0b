import type { ExpertGroups } from "@assay/checkpoint/model/expert-groups";
import { type GroupLayout, type ModelSource, openModelSource, openSlice } from "@assay/checkpoint/model/model-source";
import type { TensorPlace } from "@assay/checkpoint/safetensors/tensor-place";
import type { ExpertGroup } from "@assay/core/units";
import { baseKey } from "../base-key.ts";
import { CPU, deviceName } from "../devices/device.ts";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { EvaluationRequest, EvaluatorOptions } from "../evaluator.ts";
import type { BatchSet, LossBackend, LossRequest } from "../loss-backend.ts";
import type { ModelConfig } from "../model/config.ts";
import { parseModelConfig } from "../model/config-json.ts";
import { describeModel, type ModelDescription } from "../model/description.ts";
import { expertTensorLayout } from "../model/expert-layout.ts";
import { ONNX_LIBRARY, Tensor } from "../onnx/runtime.ts";
import { type BaseWeights, openBaseWeights, readEmbeddingRows } from "./base-weights.ts";
import { batchSums, type Chunk, chunksOf } from "./chunks.ts";
import { LayerwiseForward, type Trunk } from "./forward.ts";
import { checkTensorNames, embeddingPlace, modelUnits, submissionUnits } from "./model-places.ts";
import { ModelSessions } from "./sessions.ts";
import { TensorReader } from "./tensor-reader.ts";
import { TrunkCache } from "./trunk-cache.ts";
import { BufferPool, UnitReader } from "./unit-reader.ts";

export interface EngineOptions
  extends Pick<EvaluatorOptions, "sequenceLength" | "threads" | "device" | "baseMemoryBytes"> {
  /** How a plain Hugging Face folder is cut; versions of the store know it themselves. */
  readonly groups?: ExpertGroups;
  /** Rows (tokens) of one run; changes losses in their last bits. */
  readonly rowsPerRun?: number;
}

/** A version opened and what runs it. */
interface Base {
  readonly key: string;
  readonly directory: string;
  readonly groups: ReadonlyMap<ExpertGroup, GroupLayout>;
  readonly config: ModelConfig;
  readonly description: ModelDescription;
  readonly embedding: TensorPlace;
  readonly weights: BaseWeights;
  readonly forward: LayerwiseForward;
}

/** A submission whose reading has begun before its turn. */
interface Prepared {
  readonly key: string;
  readonly reader: Promise<UnitReader>;
}

/** What one run may take: products of a few thousand rows are as fast as they get. */
export const RUN_LIMITS: { readonly rows: number; readonly attentionBytes: number; readonly logitsBytes: number } = {
  rows: 4096,
  attentionBytes: 256 * 1024 * 1024,
  logitsBytes: 16 * 1024 * 1024,
};
const LEAST_TRUNK_CACHE_BYTES = 512 * 1024 * 1024;
/** Of what is free, for a base model where nothing else is said. */
const BASE_MEMORY_SHARE = 0.6;
/** Of what a base model may take, for trunks beside it. */
const TRUNK_MEMORY_SHARE = 0.25;

/** See packages/docs/protocol.md §7.1: what was measured lies well below. */
const LOSS_BAND = 1e-5;

/**
 * Computes losses in this process with ONNX Runtime.
 *
 * Sessions are made once and hold no weights. The base model is read once per version if it fits into memory, and what
 * does not depend on a submission is computed once per version, group and batches. A submission is read layer by layer
 * while it is computed with. Native code blocks the event loop while it runs. One request at a time.
 */
export class Engine implements LossBackend {
  readonly band: number = LOSS_BAND;
  readonly runtime: LossBackend["runtime"];
  readonly #options: EngineOptions;
  readonly #memoryBytes: number;
  readonly #trunks: TrunkCache;
  readonly #buffers = new BufferPool();
  #sessions: ModelSessions | null = null;
  #base: Base | null = null;
  #prepared: Prepared | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.runtime = { library: ONNX_LIBRARY, device: deviceName(options.device ?? CPU), threads: options.threads };
    this.#memoryBytes = options.baseMemoryBytes ?? process.availableMemory() * BASE_MEMORY_SHARE;
    this.#trunks = new TrunkCache({
      maxBytes: Math.max(LEAST_TRUNK_CACHE_BYTES, this.#memoryBytes * TRUNK_MEMORY_SHARE),
    });
  }

  /** The signal is looked at between runs of native code. */
  async losses({ base, group, submission, batches }: LossRequest, signal: AbortSignal): Promise<readonly number[]> {
    const loaded = await this.#baseAt(base, signal);
    const layout = groupLayout(loaded, group);
    const chunks = this.#chunksOf(loaded, batches);
    const trunk = await this.#trunk(loaded, group, batches.key, chunks, signal);
    const reader = submission === null ? null : await this.#submissionReader(loaded, layout, submission);
    try {
      return batchSums(batches.batches, await loaded.forward.losses(trunk, chunks, group, reader, signal));
    } finally {
      await reader?.close();
    }
  }

  /** Begins to read a submission that will be asked for next. Only a hint: what goes wrong shows when it is its turn. */
  prepare({ base, group, submission }: Pick<EvaluationRequest, "base" | "group" | "submission">): void {
    const loaded = this.#base;
    const layout = loaded?.groups.get(group);
    const key = submissionKey(submission);
    if (loaded?.key !== baseKey(base) || layout === undefined || this.#prepared?.key === key) return;
    const abandoned = this.#prepared;
    const reader = this.#openSubmission(loaded, layout, submission).then((opened) => {
      opened.prefetch(loaded.forward.firstRouted);
      return opened;
    });
    reader.catch(() => undefined);
    this.#prepared = { key, reader };
    if (abandoned !== null) void closeQuietly(abandoned);
  }

  async release(): Promise<void> {
    await this.#forgetBase();
    this.#buffers.clear();
    await this.#sessions?.release();
    this.#sessions = null;
  }

  async #baseAt(wanted: EvaluationRequest["base"], signal: AbortSignal): Promise<Base> {
    const key = baseKey(wanted);
    if (this.#base?.key === key) return this.#base;
    await this.#forgetBase();
    const { groups } = this.#options;
    const source = await openModelSource(wanted.directory, groups === undefined ? {} : { groups });
    this.#base = { key, ...(await this.#load(source, signal)) };
    return this.#base;
  }

  async #load(source: ModelSource, signal: AbortSignal): Promise<Omit<Base, "key">> {
    const config = parseModelConfig(source.config);
    const layout = expertTensorLayout(config, firstExpert(source));
    const description = describeModel(config, layout);
    checkTensorNames(source, config, layout);
    const units = modelUnits(source, config, description);
    const weights = await openBaseWeights({ units, memoryBytes: this.#memoryBytes }, signal);
    if (this.#sessions?.fits(config, layout) !== true) {
      await this.#sessions?.release();
      this.#sessions = new ModelSessions(config, layout, this.#options);
    }
    const { directory, groups, experts } = source;
    const components = { sessions: this.#sessions, description, groups, expertCounts: experts.layers, base: weights };
    const forward = new LayerwiseForward(components, RUN_LIMITS);
    return { directory, groups, config, description, embedding: embeddingPlace(source, description), weights, forward };
  }

  #chunksOf({ config }: Base, { batches }: BatchSet): readonly Chunk[] {
    const { rowsPerRun: rows = RUN_LIMITS.rows } = this.#options;
    return chunksOf(batches, { ...RUN_LIMITS, rows, attentionHeads: config.attention.heads });
  }

  async #trunk(
    { forward, embedding, config }: Base,
    group: ExpertGroup,
    key: string,
    chunks: readonly Chunk[],
    signal: AbortSignal,
  ): Promise<Trunk> {
    return await this.#trunks.get(`${group}/${key}`, async () => {
      const embedded: Tensor[] = [];
      for (const { tokens } of chunks) {
        const rows = await readEmbeddingRows(embedding, tokens);
        embedded.push(new Tensor("float32", rows, [tokens.length, config.hiddenSize]));
      }
      return await forward.trunk(chunks, embedded, group, signal);
    });
  }

  async #submissionReader(
    base: Base,
    layout: GroupLayout,
    submission: EvaluationRequest["submission"],
  ): Promise<UnitReader> {
    const prepared = this.#prepared;
    if (prepared?.key !== submissionKey(submission)) return await this.#openSubmission(base, layout, submission);
    this.#prepared = null;
    return await prepared.reader;
  }

  /**
   * @throws EvaluationError `EVALUATION_SUBMISSION_CHANGED` if the file is not what inspection accepted: it was judged by
   *   its bytes, so this is not the miner's doing.
   */
  async #openSubmission(
    { config, description }: Base,
    layout: GroupLayout,
    { path }: EvaluationRequest["submission"],
  ): Promise<UnitReader> {
    try {
      const units = submissionUnits(await openSlice(path, layout), layout, config, description);
      return new UnitReader(new TensorReader(EvaluationErrorCode.SubmissionChanged), units, this.#buffers);
    } catch (cause) {
      throw new EvaluationError(EvaluationErrorCode.SubmissionChanged, "Submission does not hold its group's tensors", {
        retryable: true,
        fields: { path },
        cause,
      });
    }
  }

  async #forgetBase(): Promise<void> {
    const base = this.#base;
    const prepared = this.#prepared;
    this.#base = null;
    this.#prepared = null;
    this.#trunks.clear();
    if (prepared !== null) await closeQuietly(prepared);
    await base?.weights.close();
  }
}

function groupLayout({ groups, directory }: Base, group: ExpertGroup): GroupLayout {
  const layout = groups.get(group);
  if (layout !== undefined) return layout;
  throw new EvaluationError(EvaluationErrorCode.GroupUnknown, "Version does not have this expert group", {
    fields: { group, directory },
  });
}

function firstExpert({ experts, directory }: ModelSource): ReadonlyMap<string, TensorPlace> {
  const [layer] = experts.layers.keys();
  if (layer !== undefined) return experts.of(layer, 0);
  throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Model has no experts", { fields: { directory } });
}

function submissionKey({ path, sha256 }: EvaluationRequest["submission"]): string {
  return `${sha256} ${path}`;
}

async function closeQuietly({ reader }: Prepared): Promise<void> {
  await reader.then(
    (opened) => opened.close(),
    () => undefined,
  );
}
