import { openModelSource, openSlice } from "@assay/checkpoint/model/model-source";
import { openBaseWeights, readEmbeddingRows } from "@assay/evaluation/engine/base-weights";
import { batchSums, chunksOf } from "@assay/evaluation/engine/chunks";
import { Engine, type EngineOptions, RUN_LIMITS } from "@assay/evaluation/engine/engine";
import { LayerwiseForward } from "@assay/evaluation/engine/forward";
import { embeddingPlace, modelUnits, submissionUnits } from "@assay/evaluation/engine/model-places";
import { ModelSessions } from "@assay/evaluation/engine/sessions";
import { float32Bytes, TensorReader } from "@assay/evaluation/engine/tensor-reader";
import type { UnitSource } from "@assay/evaluation/engine/unit-reader";
import type { EvaluationRequest } from "@assay/evaluation/evaluator";
import { parseModelConfig } from "@assay/evaluation/model/config-json";
import { describeModel } from "@assay/evaluation/model/description";
import { Tensor } from "@assay/evaluation/onnx/runtime";
import { type Stage, stageBatches } from "./stage.ts";

/** A way to measure a submission: mean loss in nats per token. */
export type Contender = (submission: EvaluationRequest["submission"]) => Promise<number>;

const NEVER = new AbortController().signal;
const GROUP = 0;
const ONE_THREAD = 1;

/** The engine as workers use it: opens the file, reads it while it computes. */
export function ourEngine(
  { workload, model }: Pick<Stage, "workload" | "model">,
  change: Partial<EngineOptions> = {},
): {
  readonly measure: (submission: EvaluationRequest["submission"] | null) => Promise<number>;
  readonly release: () => Promise<void>;
} {
  const { groups, sequenceLength } = workload;
  const baseMemoryBytes = Number.POSITIVE_INFINITY;
  const engine = new Engine({ groups, sequenceLength, threads: ONE_THREAD, baseMemoryBytes, ...change });
  const batches = stageBatches(workload);
  const base = { directory: model, version: 0 };
  return {
    measure: async (submission) =>
      mean(await engine.losses({ base, group: GROUP, submission, batches }, NEVER), workload),
    release: () => engine.release(),
  };
}

/** The same forward pass with everything in memory before the clock starts: what no way of reading can beat. */
export async function bareForward({ workload, model, submissions }: Stage): Promise<Contender> {
  const source = await openModelSource(model, { groups: workload.groups });
  const config = parseModelConfig(source.config);
  const description = describeModel(config, "per_expert");
  const units = modelUnits(source, config, description);
  const base = await openBaseWeights({ units, memoryBytes: Number.POSITIVE_INFINITY }, NEVER);
  const { sequenceLength } = workload;
  const sessions = new ModelSessions(config, "per_expert", { sequenceLength, threads: ONE_THREAD });
  const { groups, experts } = source;
  const layout = groups.get(GROUP);
  if (layout === undefined) throw new Error("The model has no group 0");
  const components = { sessions, description, groups, expertCounts: experts.layers, base };
  const forward = new LayerwiseForward(components, RUN_LIMITS);
  const { batches } = stageBatches(workload);
  const chunks = chunksOf(batches, { ...RUN_LIMITS, attentionHeads: config.attention.heads });
  const place = embeddingPlace(source, description);
  const embedded: Tensor[] = [];
  for (const { tokens } of chunks) {
    const rows = await readEmbeddingRows(place, tokens);
    embedded.push(new Tensor("float32", rows, [tokens.length, config.hiddenSize]));
  }
  const trunk = await forward.trunk(chunks, embedded, GROUP, NEVER);
  const inMemory = new Map<string, UnitSource>();
  for (const { path } of submissions) {
    const places = submissionUnits(await openSlice(path, layout), layout, config, description);
    const reader = new TensorReader("EVALUATION_SUBMISSION_CHANGED");
    const tensors = await Promise.all(places.map((unit) => reader.read(unit, new ArrayBuffer(float32Bytes(unit)))));
    await reader.close();
    inMemory.set(path, { get: async (unit) => tensors[unit] ?? new Map() });
  }
  return async ({ path }) => {
    const losses = await forward.losses(trunk, chunks, GROUP, inMemory.get(path) ?? null, NEVER);
    return mean(batchSums(batches, losses), workload);
  };
}

function mean(sums: readonly number[], { batches, batchSize, sequenceLength }: Stage["workload"]): number {
  return sums.reduce((sum, loss) => sum + loss, 0) / (batches * batchSize * sequenceLength);
}
