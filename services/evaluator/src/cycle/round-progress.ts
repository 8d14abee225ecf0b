import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Round } from "@assay/core/round/round";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import { readReceipts } from "../downloads/receipts.ts";

/** How far a round has come, read from the inbox and the ledger. */
export interface RoundProgress {
  readonly submissions: readonly SubmissionRecord[];
  readonly evaluations: readonly EvaluationRecord[];
  /** UIDs on the roster from which a submission arrived, also those whose receipt does not parse. */
  readonly arrived: ReadonlySet<number>;
  /** Arrived submissions with nothing left to do: measured, rejected, expired or failed. */
  readonly settled: number;
}

/** Reads how far a round has come. */
export async function readRoundProgress(round: Round, ledger: Ledger, inbox: Inbox): Promise<RoundProgress> {
  const [submissions, evaluations, { arrived }] = await Promise.all([
    ledger.submissions.list(round.id),
    ledger.evaluations.list(round.id),
    readReceipts(round, inbox),
  ]);
  const measured = new Set(evaluations.map(({ uid }) => uid));
  const ended = submissions.filter(({ kind }) => kind === "rejected" || kind === "expired").map(({ uid }) => uid);
  const settled = new Set([...measured, ...ended]);
  return { submissions, evaluations, arrived, settled: [...arrived].filter((uid) => settled.has(uid)).length };
}
