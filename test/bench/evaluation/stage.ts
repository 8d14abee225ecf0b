import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EvaluationRequest } from "@assay/evaluation/evaluator";
import type { BatchSet } from "@assay/evaluation/loss-backend";
import type { Batch } from "@assay/evaluation/text/batches";
import { changedTensors, randomTensors, writeSubmission, writeTinyModel } from "@assay/testing/model/tiny-model";
import type { Workload } from "./sizes.ts";

/** Files that every contender measures, and the same tokens for all. */
export interface Stage {
  readonly workload: Workload;
  /** A Hugging Face folder. */
  readonly model: string;
  /** All of group 0. */
  readonly submissions: readonly EvaluationRequest["submission"][];
  /** uint32[batches, batchSize, sequenceLength + 1]. */
  readonly tokens: string;
  readonly params: number;
  readonly checkpointBytes: number;
}

const SEED = 1;
/** Distinct files; more miners measure them again. */
const FILES = 8;

export async function prepareStage(directory: string, workload: Workload, miners: number): Promise<Stage> {
  const { config, groups } = workload;
  const model = join(directory, "model");
  await writeTinyModel(model, { config, seed: SEED });
  const tensors = randomTensors({ config, seed: SEED });
  const submissions: EvaluationRequest["submission"][] = [];
  for (let file = 0; file < Math.min(FILES, miners); file += 1) {
    const changed = changedTensors(tensors, (_, values) => values.map((value) => value * (1 + (file + 1) / 100)));
    const path = join(directory, `submission-${file}.safetensors`);
    submissions.push(await writeSubmission(path, { config, groups, group: 0, tensors: changed }));
  }
  const tokens = join(directory, "tokens.bin");
  await writeFile(tokens, randomTokens(workload));
  return {
    workload,
    model,
    submissions,
    tokens,
    params: [...tensors.values()].reduce((sum, { values }) => sum + values.length, 0),
    checkpointBytes: (await stat(submissions[0]?.path ?? "")).size,
  };
}

/** The same numbers as in the file of {@link prepareStage}. */
export function stageBatches(workload: Workload): BatchSet {
  const { batches, batchSize, sequenceLength } = workload;
  const stored = randomTokens(workload);
  const rows = Array.from({ length: batches * batchSize }, (_, row) =>
    stored.subarray(row * (sequenceLength + 1), (row + 1) * (sequenceLength + 1)),
  );
  return {
    key: "bench",
    batches: Array.from({ length: batches }, (_, batch): Batch => {
      const own = rows.slice(batch * batchSize, (batch + 1) * batchSize);
      return {
        sequences: batchSize,
        sequenceLength,
        tokens: Uint32Array.from(own.flatMap((row) => [...row.subarray(0, -1)])),
        targets: BigInt64Array.from(own.flatMap((row) => [...row.subarray(1)].map(BigInt))),
      };
    }),
  };
}

/** A linear congruential sequence: which tokens hardly matters, that all contenders get the same does. */
function randomTokens({ config, batches, batchSize, sequenceLength }: Workload): Uint32Array {
  let state = SEED;
  return Uint32Array.from({ length: batches * batchSize * (sequenceLength + 1) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * config.vocabularySize);
  });
}
