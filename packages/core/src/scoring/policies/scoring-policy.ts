import type { ExpertGroup, Hotkey, NatsPerToken, Uid } from "../../units.ts";

/** One measured submission of a round. */
export interface MeasuredSubmission {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  readonly lossBefore: NatsPerToken;
  readonly lossAfter: NatsPerToken;
}

/** What a measured submission earns; the reason says why it is nothing. */
export interface PolicyScore {
  readonly w: number;
  readonly reason: UnpaidReason | null;
}

/** Why a submission that was measured earns nothing. */
export type UnpaidReason =
  /** The loss did not fall, or is not finite. */
  | "no_improvement"
  /** Another submission of the round has the same reduction to the last bit. */
  | "tied"
  /** It improved the model, and others did more. */
  | "outranked";

/**
 * Scores of a round's measured submissions, one for each.
 *
 * A pure function of the losses: the order of the submissions changes no score by a bit.
 *
 * @throws ScoreError `SCORE_BASE_LOSS_INVALID` if a `lossBefore` is not finite or not above 0: that is ours.
 */
export type ScoringPolicy = (submissions: readonly MeasuredSubmission[]) => ReadonlyMap<Uid, PolicyScore>;
