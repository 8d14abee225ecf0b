import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Round } from "@assay/core/round/round";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { SubmissionRecord } from "@assay/ledger/submissions";

/** How far a round has come, read from the inbox and the ledger. */
export interface RoundProgress {
  readonly submissions: readonly SubmissionRecord[];
  readonly evaluations: readonly EvaluationRecord[];
  /** UIDs on the roster from which a submission arrived. */
  readonly arrived: ReadonlySet<number>;
  /** Arrived submissions with nothing left to do: measured, rejected, expired or failed. */
  readonly settled: number;
}

/** Reads how far a round has come. */
export async function readRoundProgress(round: Round, ledger: Ledger, inbox: Inbox): Promise<RoundProgress> {
  const [submissions, evaluations, receipts] = await Promise.all([
    ledger.submissions.list(round.id),
    ledger.evaluations.list(round.id),
    inbox.list(round.id),
  ]);
  const roster = new Map(round.roster.map((entry) => [entry.uid, entry.hotkey]));
  const arrived = new Set(receipts.filter(({ uid, hotkey }) => roster.get(uid) === hotkey).map(({ uid }) => uid));
  const measured = new Set(evaluations.map(({ uid }) => uid));
  const ended = submissions.filter(({ kind }) => kind === "rejected" || kind === "expired").map(({ uid }) => uid);
  const settled = new Set([...measured, ...ended]);
  return { submissions, evaluations, arrived, settled: [...arrived].filter((uid) => settled.has(uid)).length };
}
