import { join } from "node:path";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { readManifest } from "@assay/checkpoint/store/manifest";
import type { EvaluationOutcome } from "@assay/core/scoring/outcome";
import { scoreOf } from "@assay/core/scoring/score";
import type { BlockNumber } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import type { EvaluatorMetrics } from "../metrics.ts";
import { logEvaluation } from "./evaluation-line.ts";
import type { SharedEvaluator } from "./evaluator-pool.ts";

export interface EvaluationProcessorComponents {
  /** The chain as this process knows it. */
  readonly head: { block(): Promise<BlockNumber> };
  readonly evaluator: SharedEvaluator;
  readonly layout: CheckpointLayout;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/**
 * Measures one submission. Safe to repeat: the outcome is the job's return value, keyed by (round, uid), and the cycle
 * role alone records it.
 */
export function createEvaluationProcessor(components: EvaluationProcessorComponents) {
  const { head, evaluator, layout, metrics, logger } = components;
  return async function evaluateSubmission(
    { payload: job }: ReceivedJob<"evaluations">,
    signal: AbortSignal,
  ): Promise<EvaluationOutcome> {
    const key = { roundId: job.roundId, uid: job.uid, hotkey: job.hotkey };
    if ((await head.block()) > job.deadlineBlock) return { ...key, kind: "expired" };

    // From its turn on: a job may wait here while the one before it is measured.
    let stopTimer = metrics.evaluationSeconds.startTimer();
    const began = () => {
      stopTimer = metrics.evaluationSeconds.startTimer();
    };
    const content = (await readManifest(layout, job.baseVersion))?.digest;
    const base = { directory: layout.version(job.baseVersion), version: job.baseVersion };
    const measured = await evaluator.evaluate(
      {
        base: { ...base, ...(content !== undefined && { content }) },
        group: job.group,
        submission: { path: join(layout.root, job.submissionPath), sha256: job.submissionSha256 },
        seed: job.seed,
        ...(job.stage !== undefined && { stage: job.stage }),
      },
      signal,
      began,
    );
    const seconds = stopTimer();
    const facts = { round: job.roundId, uid: job.uid, seconds: Number(seconds.toFixed(3)) };
    if (measured.kind === "rejected") {
      logger.info("Rejected submission", { ...facts, reason: measured.reason, detail: measured.detail });
      return { ...key, kind: "rejected", reason: measured.reason, detail: measured.detail };
    }
    const { kind: _, ...losses } = measured;
    const outcome = { ...key, ...losses, kind: "scored" as const, seconds: facts.seconds };
    if (job.stage === undefined) logEvaluation(logger, outcome);
    else logger.debug("Measured a stage", { ...facts, ...job.stage, wI: scoreOf(losses.lossBefore, losses.lossAfter) });
    return outcome;
  };
}
