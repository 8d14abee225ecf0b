import { sha256File } from "@assay/checkpoint/digest";
import { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { isAppError } from "@assay/core/app-error";
import type { Bundle } from "@assay/core/receipts/bundle";
import { type Finding, Findings } from "@assay/core/receipts/finding";
import type { MeasuredEvaluation, Receipt } from "@assay/core/receipts/receipt";
import type { Evaluator, Measurement } from "@assay/evaluation/evaluator";
import { InProcessEvaluator } from "@assay/evaluation/in-process-evaluator";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import type { CommandContext } from "../command.ts";

/** Where models, submissions and text lie, and whose evaluations are chosen. */
export interface MeasuringPlaces {
  readonly store: string;
  readonly dataset: string;
  /** All when empty. */
  readonly uids: ReadonlySet<number>;
}

/** One measurement here takes as long as it takes. */
const TIMEOUT_MILLIS = 3_600_000;

/** Measures submissions of a bundle again on this machine, and compares mean losses within the recorded band. */
export async function measureAgain(
  bundle: Bundle,
  { store, dataset, uids }: MeasuringPlaces,
  { progress, signal }: CommandContext,
): Promise<readonly Finding[]> {
  const findings = new Findings();
  const reader = new CheckpointReader(store);
  for (const { receipt } of bundle.receipts) {
    const { uid, evaluation } = receipt;
    if (evaluation.kind !== "scored" || (uids.size > 0 && !uids.has(uid))) continue;
    progress(`Measuring uid ${uid} again`);
    const why = await again({ bundle, receipt, evaluation }, { reader, dataset, findings }, signal);
    if (why === null) continue;
    findings.add("not_measured_again", { part: "receipt", uid, field: "evaluation" }, "a measurement", why);
  }
  return findings.all;
}

interface Again {
  readonly bundle: Bundle;
  readonly receipt: Receipt;
  readonly evaluation: MeasuredEvaluation;
}

interface Ground {
  readonly reader: CheckpointReader;
  readonly dataset: string;
  readonly findings: Findings;
}

/** Why it could not be measured; null when it was. */
async function again(
  { bundle, receipt, evaluation }: Again,
  { reader, dataset, findings }: Ground,
  signal: AbortSignal,
): Promise<string | null> {
  const { uid, base, group, round, seed, submission } = receipt;
  if (evaluation.text === undefined || seed === null || submission.kind !== "accepted") return "nothing to go by";
  try {
    const { digest } = await reader.manifest(base.version);
    if (digest !== base.digest) return `version ${base.version} is another model here`;
    const path = reader.layout.submission(round, submission.sha256);
    if ((await sha256File(path, signal)).sha256 !== submission.sha256) return "the submission's file is another one";
    const { batchSize, chosen } = evaluation.text;
    const { sequences, sequenceLength } = bundle.header.network.evaluation;
    const evaluator = new InProcessEvaluator(
      { logger: createMemoryLogger("assay") },
      {
        evalDatasetPath: dataset,
        tokenCacheDirectory: null,
        batchSize,
        sequences,
        sequenceLength,
        timeoutMillis: TIMEOUT_MILLIS,
        threads: 1,
      },
    );
    const measured = await measureOnce(evaluator, signal, {
      base: { directory: reader.directory(base.version), version: base.version },
      group,
      submission: { path, sha256: submission.sha256 },
      seed,
      ...(chosen.length < sequences && { stage: { firstBatch: 0, batches: evaluation.batchLosses.length } }),
    });
    return compare(uid, evaluation, measured, findings);
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error)) return `${error.code}: ${error.message}`;
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

async function measureOnce(
  evaluator: Evaluator,
  signal: AbortSignal,
  request: Parameters<Evaluator["evaluate"]>[0],
): Promise<Measurement> {
  await evaluator.start(signal);
  try {
    return await evaluator.evaluate(request, signal);
  } finally {
    await evaluator.stop();
  }
}

function compare(
  uid: number,
  evaluation: MeasuredEvaluation,
  measured: Measurement,
  findings: Findings,
): string | null {
  if (measured.kind === "rejected") {
    findings.add("losses_differ", { part: "receipt", uid, field: "evaluation" }, "scored", measured.reason);
    return null;
  }
  if (measured.datasetSha256 !== evaluation.datasetSha256) return "the held-out text is another one";
  if (measured.text?.tokenizerSha256 !== evaluation.text?.tokenizerSha256) return "the tokenizer is another one";
  for (const field of ["lossBefore", "lossAfter"] as const) {
    if (Math.abs(measured[field] - evaluation[field]) <= evaluation.band) continue;
    const place = { part: "receipt" as const, uid, field: `evaluation.${field}` };
    findings.add("losses_differ", place, `${measured[field]} ± ${evaluation.band}`, String(evaluation[field]));
  }
  return null;
}
