import type { ModelSource } from "@assay/checkpoint/model/model-source";
import { RUN_LIMITS } from "@assay/evaluation/engine/engine";
import { modelUnits, submissionUnits } from "@assay/evaluation/engine/model-places";
import { float32Bytes } from "@assay/evaluation/engine/tensor-reader";
import type { ModelConfig } from "@assay/evaluation/model/config";
import type { ModelDescription } from "@assay/evaluation/model/description";
import { productSpeed } from "./product-speed.ts";
import { workPerToken } from "./work.ts";

/** What is measured on. */
export interface EvaluationSize {
  readonly sequences: number;
  readonly sequenceLength: number;
  readonly threads: number;
}

/** Bytes that one worker takes; its program, about 150 MB, not counted. */
export interface MemoryEstimate {
  /** The whole model in memory. */
  readonly resident: number;
  /** The model read from its files in every pass, two layers at a time. */
  readonly streamed: number;
}

/** How long one submission takes on this machine, counted from a measured speed and not tried. */
export interface TimeEstimate extends EvaluationSize {
  readonly tokens: number;
  readonly operationsPerToken: number;
  /** Measured on this machine, with this number of threads. */
  readonly operationsPerSecond: number;
  readonly secondsPerSubmission: number;
}

/** What of a model is needed to estimate. */
export interface EstimatedModel {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly description: ModelDescription;
}

/** All numbers are float32 in memory, whatever the files hold. */
export function estimateMemory(
  { source, config, description }: EstimatedModel,
  { sequences, sequenceLength }: EvaluationSize,
): MemoryEstimate {
  const units = modelUnits(source, config, description).map(float32Bytes);
  const slices = [...source.groups.values()].flatMap((layout) =>
    submissionUnits(source.experts, layout, config, description).map(float32Bytes),
  );
  const activations = sequences * sequenceLength * config.hiddenSize * 4 * KEPT_ACTIVATIONS;
  const run = RUN_LIMITS.attentionBytes + RUN_LIMITS.logitsBytes;
  const beside = 2 * Math.max(0, ...slices) + activations + run;
  const resident = sum(units);
  return { resident: resident + beside, streamed: Math.min(resident, 2 * Math.max(...units)) + beside };
}

/** Measures this machine for about a second. */
export async function estimateTime(
  { config, description }: EstimatedModel,
  size: EvaluationSize,
  signal: AbortSignal,
): Promise<TimeEstimate> {
  const { sequences, sequenceLength, threads } = size;
  const tokens = sequences * sequenceLength;
  const work = workPerToken(config, description, sequenceLength);
  const rows = Math.min(tokens, RUN_LIMITS.rows);
  const { hiddenSize, expertIntermediateSize, vocabularySize, experts, expertsPerToken } = config;
  const expertRows = Math.max(1, Math.round((rows * expertsPerToken) / experts));
  const speed = async (measuredRows: number, outputs: number) =>
    await productSpeed({ rows: measuredRows, inputs: hiddenSize, outputs }, threads, signal);
  const seconds =
    work.trunk / (await speed(rows, hiddenSize)) +
    work.experts / (await speed(expertRows, expertIntermediateSize)) +
    work.head / (await speed(rows, vocabularySize));
  const operationsPerToken = work.trunk + work.experts + work.head;
  return {
    ...size,
    tokens,
    operationsPerToken,
    operationsPerSecond: operationsPerToken / seconds,
    secondsPerSubmission: seconds * tokens,
  };
}

/** Vectors that are kept per token: the trunk's residual and norm, and what the current layer makes. */
const KEPT_ACTIVATIONS = 4;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
