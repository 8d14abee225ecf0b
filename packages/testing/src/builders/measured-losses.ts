import type { MeasuredLosses } from "@assay/core/scoring/outcome";
import type { NatsPerToken } from "@assay/core/units";

/** Two losses as one batch of `tokens` tokens gives them. */
export function measuredLosses(lossBefore: NatsPerToken, lossAfter: NatsPerToken, tokens = 96): MeasuredLosses {
  return {
    lossBefore,
    lossAfter,
    tokens,
    batchLosses: [{ tokens, before: lossBefore * tokens, after: lossAfter * tokens }],
    band: 1e-5,
    datasetSha256: "da".repeat(32),
  };
}
