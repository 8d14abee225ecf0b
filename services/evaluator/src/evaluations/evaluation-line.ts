import type { EvaluationOutcome } from "@assay/core/scoring/outcome";
import { scoreOf } from "@assay/core/scoring/score";
import type { Logger } from "@assay/runtime/logging/logger";
import { shortHotkey } from "../short-hotkey.ts";

/** The published line of a measured submission: `w_i` is known at once, whatever the network's policy makes of it. */
export function logEvaluation(
  logger: Logger,
  outcome: Extract<EvaluationOutcome, { kind: "scored" }>,
  facts: Readonly<Record<string, string | number>> = {},
): void {
  const { roundId, uid, hotkey, lossBefore, lossAfter, tokens, seconds } = outcome;
  logger.info(`Evaluating ${shortHotkey(hotkey)}`, {
    lossBefore: lossBefore.toFixed(3),
    lossAfter: lossAfter.toFixed(3),
    wI: scoreOf(lossBefore, lossAfter).toFixed(3),
    round: roundId,
    uid,
    seconds,
    tokens,
    ...facts,
  });
}
