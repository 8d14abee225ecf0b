import type { Generated } from "kysely";

/** Rows as SQLite holds them: numbers, text, and JSON as text. */
export interface LedgerSchema {
  readonly rounds: RoundRow;
  readonly submissions: OutcomeRow;
  readonly evaluations: OutcomeRow;
  readonly evaluation_stages: EvaluationStageRow;
  readonly scores: ScoreStateRow;
  readonly round_scores: RoundScoreRow;
  readonly intents: IntentRow;
  readonly intent_steps: IntentStepRow;
  readonly weight_reveals: WeightRevealRow;
  readonly commitments: CommitmentRow;
  readonly steps: StepRow;
  readonly groups: GroupRow;
  readonly merges: MergeRow;
  readonly merge_ends: MergeEndRow;
  readonly events: EventRow;
  readonly signed_extrinsics: SignedExtrinsicRow;
  readonly round_closings: RoundClosingRow;
  readonly receipt_bundles: ReceiptBundleRow;
}

export interface RoundRow {
  readonly id: number;
  readonly cycle: number;
  /** The whole plan as JSON. */
  readonly plan: string;
  readonly seed: string | null;
  /** 0 or 1. */
  readonly closed: number;
}

interface OutcomeRow {
  readonly round_id: number;
  readonly uid: number;
  readonly kind: string;
  /** The whole outcome as JSON. */
  readonly outcome: string;
}

interface EvaluationStageRow {
  readonly round_id: number;
  readonly uid: number;
  /** From 0. */
  readonly stage: number;
  /** The whole outcome as JSON. */
  readonly outcome: string;
}

interface ScoreStateRow {
  readonly uid: number;
  readonly hotkey: string;
  readonly ema: number;
  readonly points: number;
  readonly last_round: number;
}

interface RoundScoreRow {
  readonly round_id: number;
  readonly uid: number;
  readonly hotkey: string;
  readonly w: number;
  readonly reason: string | null;
  readonly loss_before: number | null;
  readonly loss_after: number | null;
}

export interface IntentRow {
  /** Order of planning. */
  readonly position: Generated<number>;
  readonly id: string;
  readonly netuid: number;
  readonly mechanism: number;
  readonly tempo: number | null;
  readonly attempt: number;
  readonly round_id: number;
  /** JSON, as are the two after it; all of one length, or no hotkeys. */
  readonly uids: string;
  readonly weights: string;
  readonly hotkeys: string;
  readonly origin: string;
  readonly version_key: string;
  readonly first_block: number;
  readonly planned_block: number;
  readonly deadline_block: number;
  readonly state: string;
  readonly block: number | null;
  readonly extrinsic_hash: string | null;
  readonly nonce: number | null;
  readonly spec_version: number | null;
  readonly reason: string | null;
}

interface IntentStepRow {
  readonly position: Generated<number>;
  readonly intent_id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly state: string;
  readonly reason: string | null;
  readonly block: number | null;
  readonly extrinsic_hash: string | null;
  readonly spec_version: number | null;
}

export interface WeightRevealRow {
  readonly intent_id: string;
  readonly attempt: number;
  readonly way: string;
  readonly hash: string;
  readonly salt: string;
  readonly epoch: number;
  readonly reveal_epoch: number;
  readonly sent_block: number;
  readonly deadline_block: number;
  readonly state: string;
}

interface CommitmentRow {
  readonly cycle: number;
  readonly step: string;
  readonly bytes_hex: string;
  readonly block: number;
  readonly extrinsic_hash: string;
}

interface StepRow {
  readonly cycle: number;
  readonly step: string;
  readonly block: number;
}

interface GroupRow {
  readonly hotkey: string;
  readonly expert_group: number;
  readonly block: number;
}

interface MergeRow {
  readonly cycle: number;
  readonly version: number;
  readonly digest: string;
  readonly groups: string;
}

interface MergeEndRow {
  readonly cycle: number;
  /** The whole end as JSON. */
  readonly end: string;
}

interface EventRow {
  readonly id: Generated<number>;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly block: number | null;
  readonly kind: string;
  readonly fields: string;
}

interface SignedExtrinsicRow {
  readonly hash: string;
  readonly nonce: number;
  readonly kind: string;
  readonly signed_block: number;
  readonly last_block: number;
}

interface RoundClosingRow {
  readonly round_id: number;
  /** The whole closing as JSON. */
  readonly closing: string;
}

interface ReceiptBundleRow {
  readonly cycle: number;
  readonly round_id: number;
  readonly root: string;
  /** What the bundle is made of besides the round's rows, as JSON. */
  readonly facts: string;
  readonly closed_at: number;
  /** 0 or 1: whether its files are on disk. */
  readonly written: number;
}
