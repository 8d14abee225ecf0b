import type { ModelConfig } from "@assay/evaluation/model/config";
import { TINY_CONFIG } from "@assay/testing/model/tiny-model";

export const SIZES = ["small", "big", "wide"] as const;
export type Size = (typeof SIZES)[number];

/** A model and what it is measured on. */
export interface Workload {
  readonly config: ModelConfig;
  readonly groups: number;
  readonly batches: number;
  /** Sequences of one batch. */
  readonly batchSize: number;
  readonly sequenceLength: number;
}

/** The three models that packages/docs/evaluation.md gives numbers for: 3.5, 86 and 79 million parameters. */
export const WORKLOADS: Readonly<Record<Size, Workload>> = {
  small: workload(
    { vocabularySize: 256, hiddenSize: 128, layers: 4, attentionHeads: 4, expertIntermediateSize: 256 },
    8,
  ),
  big: workload(
    { vocabularySize: 4096, hiddenSize: 512, layers: 6, attentionHeads: 8, expertIntermediateSize: 1024 },
    4,
  ),
  wide: workload(
    {
      vocabularySize: 4096,
      hiddenSize: 256,
      layers: 6,
      attentionHeads: 4,
      expertIntermediateSize: 512,
      experts: 32,
      expertsPerToken: 4,
    },
    4,
  ),
};

function workload(change: Partial<ModelConfig>, batchSize: number): Workload {
  const config = { ...TINY_CONFIG, experts: 8, ...change };
  const heads = { keyValueHeads: config.attentionHeads, headDim: config.hiddenSize / config.attentionHeads };
  return { config: { ...config, ...heads }, groups: 4, batches: 4, batchSize, sequenceLength: 128 };
}
