import type { ModelConfig } from "@assay/evaluation/model/config";
import { type ExampleSizes, exampleConfig } from "@assay/evaluation/model/example-config";

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
  small: workload({ vocabularySize: 256, hiddenSize: 128, layers: 4, heads: 4, expertIntermediateSize: 256 }, 8),
  big: workload({ vocabularySize: 4096, hiddenSize: 512, layers: 6, heads: 8, expertIntermediateSize: 1024 }, 4),
  wide: workload(
    {
      vocabularySize: 4096,
      hiddenSize: 256,
      layers: 6,
      heads: 4,
      expertIntermediateSize: 512,
      experts: 32,
      expertsPerToken: 4,
    },
    4,
  ),
};

function workload(sizes: ExampleSizes, batchSize: number): Workload {
  const config = exampleConfig("qwen3_moe", { experts: 8, expertsPerToken: 2, ...sizes });
  const { attention } = config;
  if (attention.kind !== "grouped") throw new Error("Qwen3-MoE has grouped attention");
  // Every head of queries has its own keys, as in the models that these sizes were first measured with.
  const ownKeys = { ...attention, keyValueHeads: attention.heads };
  return { config: { ...config, attention: ownKeys }, groups: 4, batches: 4, batchSize, sequenceLength: 128 };
}
