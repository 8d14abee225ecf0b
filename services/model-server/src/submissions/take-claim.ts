import type { ChainView } from "@assay/core/chain-view";
import { noteAccess } from "../access-record.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import type { SubmissionClaim } from "./claim.ts";
import { CUT } from "./receive-upload.ts";
import type { Exchange, SubmissionDoor, SubmissionResult } from "./submission-door.ts";

/** What an endpoint needs that takes submissions; all of them share one door. */
export interface SubmissionTaking {
  readonly chainView: ChainViewFile;
  readonly door: Pick<SubmissionDoor, "take">;
  readonly metrics: ModelServerMetrics;
}

/** Lets the door decide on a claim, and counts and notes what it decided. */
export async function takeClaim(
  { door, metrics }: SubmissionTaking,
  exchange: Exchange,
  claim: SubmissionClaim,
  view: ChainView,
): Promise<SubmissionResult> {
  const { hotkey, group, signedBlock: block, source } = claim;
  noteAccess(exchange.response, { hotkey, group, block });
  const result = await door.take(exchange, claim, view);
  metrics.submissions.inc({ source: source.kind, result: kindOf(result) });
  if (result !== CUT && !(result instanceof Refusal)) {
    noteAccess(exchange.response, { outcome: result.kind });
  }
  return result;
}

function kindOf(result: SubmissionResult): string {
  return result === CUT ? "cut" : result instanceof Refusal ? result.code : result.kind;
}
