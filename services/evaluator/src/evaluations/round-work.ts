import { originalityOf, type SubmissionStanding } from "@assay/core/round/duplicates";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import type { Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { SubmissionRecord } from "@assay/ledger/submissions";

/** What is known of a round while its submissions are measured. */
export interface RoundStanding {
  readonly submissions: readonly SubmissionRecord[];
  readonly evaluations: readonly EvaluationRecord[];
  /** UIDs whose receipt lies in the inbox. */
  readonly arrived: ReadonlySet<Uid>;
}

/** An accepted submission with its place on the roster. */
export interface Accepted extends RosterEntry {
  readonly submission: Extract<DownloadOutcome, { kind: "accepted" }>;
}

/** Accepted submissions of a round, by UID. */
export interface RoundWork {
  readonly accepted: readonly Accepted[];
  /** Those of them that nothing was recorded of yet. */
  readonly toMeasure: readonly Accepted[];
  /** Files that were submitted before, which are not measured again. */
  readonly duplicates: readonly { readonly entry: Accepted; readonly first: RosterEntry }[];
  /** Nobody else is going to be accepted: all that arrived were looked at. */
  readonly complete: boolean;
}

/** What is left to measure of a round. A submission that may be somebody's duplicate is in neither list until it is known. */
export function roundWork(round: Round, standing: RoundStanding): RoundWork {
  const accepted = acceptedEntries(round, standing.submissions);
  const settled = new Set(standing.evaluations.map(({ uid }) => uid));
  const standingOf = standings(standing);
  const judged = accepted
    .filter(({ uid }) => !settled.has(uid))
    .map((entry) => ({ entry, originality: originalityOf(entry, round.roster, standingOf) }));
  return {
    accepted,
    complete: round.roster.every((entry) => standingOf(entry) !== "open"),
    toMeasure: judged.filter(({ originality }) => originality.kind === "first").map(({ entry }) => entry),
    duplicates: judged.flatMap(({ entry, originality }) =>
      originality.kind === "duplicate" ? [{ entry, first: originality.first }] : [],
    ),
  };
}

function acceptedEntries({ roster }: Round, submissions: readonly SubmissionRecord[]): readonly Accepted[] {
  const records = new Map(submissions.map((record) => [record.uid, record]));
  return roster.flatMap((entry) => {
    const submission = records.get(entry.uid);
    return submission?.kind === "accepted" ? [{ ...entry, submission }] : [];
  });
}

function standings({ submissions, evaluations, arrived }: RoundStanding): (other: RosterEntry) => SubmissionStanding {
  const kinds = new Map(submissions.map(({ uid, kind }) => [uid, kind]));
  // A submission that could not be fetched has an evaluation that failed, and nothing else.
  const lost = new Set(evaluations.map(({ uid }) => uid));
  return ({ uid }) => {
    const kind = kinds.get(uid) ?? "none";
    if (kind === "accepted") return "stands";
    return kind === "none" && arrived.has(uid) && !lost.has(uid) ? "open" : "falls";
  };
}
