import type { RosterEntry, Round } from "../round/round.ts";
import type { Hotkey, NatsPerToken, RoundId, Uid } from "../units.ts";
import { measuredSubmissions } from "./measured-submissions.ts";
import type { DownloadOutcome, EvaluationOutcome, FailedEvaluation, NoSubmission, RejectionReason } from "./outcome.ts";
import type { PolicyScore, ScoringPolicy } from "./policies/scoring-policy.ts";
import { nextEntry, type ScoreBook } from "./score-book.ts";

/** A miner's standing after its last scored round. */
export interface ScoreState {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly ema: number;
  /** Rounds that went into `ema` since the hotkey took the uid. */
  readonly points: number;
  readonly lastRound: RoundId;
}

/** What one miner got in one round. */
export interface RoundScore {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly w: number;
  /** Why `w` is zero; null for a measured submission. `expired` and `failed` are ours. */
  readonly reason: RejectionReason | (string & {}) | null;
  readonly lossBefore: NatsPerToken | null;
  readonly lossAfter: NatsPerToken | null;
}

/** Everything a round leaves behind, written at once. */
export interface RoundScores {
  /** New standings; a uid not named keeps its old one. */
  readonly states: readonly ScoreState[];
  readonly rows: readonly RoundScore[];
}

/** What is known of a round when it is closed. */
export interface RoundFindings {
  readonly round: Pick<Round, "id" | "roster">;
  readonly submissions: readonly (DownloadOutcome | NoSubmission)[];
  readonly evaluations: readonly (EvaluationOutcome | FailedEvaluation)[];
  /** UIDs from which a submission arrived in time, whatever became of it. */
  readonly arrived: ReadonlySet<number>;
  /** Whether miners could submit for most of the window: if not, a missing submission is our fault. */
  readonly doorWasOpen: boolean;
}

/** How scores come of losses, and standings of scores. */
export interface ScoringRules {
  readonly policy: ScoringPolicy;
  /** Weight of the old value in the moving average. */
  readonly weightOfOld: number;
}

/**
 * The scores of a round: a row for every miner of the roster, and the new standings of those that were measured.
 *
 * A miner without an acceptable submission gets zero. A miner that we failed to measure gets no point at all, so its
 * standing stays as it was.
 */
export function roundScores(
  findings: RoundFindings,
  book: ScoreBook,
  { policy, weightOfOld }: ScoringRules,
): RoundScores {
  const scores = policy(measuredSubmissions(findings.round, findings.evaluations));
  const results = findings.round.roster.map((entry) => ({ entry, result: resultOf(entry, findings, scores) }));
  return {
    rows: results.map(({ entry, result }) => toRow(entry, result)),
    states: results
      .filter(({ result }) => result.ours === false)
      .map(({ entry: { uid, hotkey }, result }) => ({
        ...nextEntry(book.get(uid), { uid, hotkey, value: result.w }, weightOfOld),
        lastRound: findings.round.id,
      })),
  };
}

interface MinerResult {
  readonly w: number;
  readonly reason: string | null;
  /** Our own failure to measure: no point. */
  readonly ours: boolean;
  readonly losses: { readonly before: number; readonly after: number } | null;
}

function resultOf(entry: RosterEntry, findings: RoundFindings, scores: ReadonlyMap<Uid, PolicyScore>): MinerResult {
  const evaluation = findings.evaluations.find((each) => each.uid === entry.uid);
  const score = scores.get(entry.uid);
  if (evaluation?.kind === "scored" && score !== undefined) {
    return { ...score, ours: false, losses: { before: evaluation.lossBefore, after: evaluation.lossAfter } };
  }
  if (evaluation?.kind === "rejected") return zero(evaluation.reason);
  if (evaluation !== undefined) return notMeasured(evaluation.kind);
  const submission = findings.submissions.find((each) => each.uid === entry.uid);
  if (submission?.kind === "rejected") return zero(submission.reason);
  if (submission !== undefined && submission.kind !== "none") return notMeasured("expired");
  if (entry.commitment === null) return zero("not_committed");
  if (findings.arrived.has(entry.uid)) return notMeasured("expired");
  return findings.doorWasOpen ? zero("late") : notMeasured("door_closed");
}

function zero(reason: string): MinerResult {
  return { w: 0, reason, ours: false, losses: null };
}

function notMeasured(reason: string): MinerResult {
  return { w: 0, reason, ours: true, losses: null };
}

function toRow({ uid, hotkey }: RosterEntry, { w, reason, losses }: MinerResult): RoundScore {
  return { uid, hotkey, w, reason, lossBefore: losses?.before ?? null, lossAfter: losses?.after ?? null };
}
