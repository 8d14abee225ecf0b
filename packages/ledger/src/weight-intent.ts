import type { BlockNumber, EpochMillis, Hotkey, Netuid, RoundId, Uid } from "@assay/core/units";
import type { WeightObstacleCode } from "@assay/core/weights/obstacles";
import type { IntentRow } from "./schema.ts";

/**
 * Where an intent stands on its way to the chain. `verified`, `failed`, `foreign` (another process used the window) and
 * `dry_run` (never to be sent) are final.
 *
 * Hidden weights go from `in_block` to `committed`, when their commit is final, and to `revealed`, when the chain holds
 * the commit no longer; others are `finalised`.
 */
export type IntentState =
  | "planned"
  | "signed"
  | "in_block"
  | "finalised"
  | "committed"
  | "revealed"
  | "verified"
  | "failed"
  | "foreign"
  | "dry_run";

/**
 * Why an intent waits or failed: what stands in its way, or `expired` (its window closed), `superseded` (newer weights
 * stand where it should), `reveal_lost` and `not_verified` (the chain shows something else).
 */
export type IntentReason = WeightObstacleCode | "expired" | "superseded" | "reveal_lost" | "not_verified";

/** The weights we mean to set, written before anything is signed. */
export interface WeightPlan {
  /** The idempotency key: subnet, mechanism, tempo and attempt as one text. */
  readonly id: string;
  readonly netuid: Netuid;
  readonly mechanism: number;
  /** Epoch of the subnet whose window it is for; null for one of a release that planned by rounds. */
  readonly tempo: number | null;
  /** From 0; a later one takes the place of one that ended with nothing on chain. */
  readonly attempt: number;
  readonly roundId: RoundId;
  readonly uids: readonly Uid[];
  /** 0…65535, one per uid. */
  readonly weights: readonly number[];
  /** Whom each uid belonged to when it was planned; empty where nobody noted it. */
  readonly hotkeys: readonly Hotkey[];
  /** Which rule made the plan: `scores`, or a fallback's name. */
  readonly origin: string;
  readonly versionKey: bigint;
  /** First block of the tempo: a later change of our neuron is this window's set of weights. */
  readonly firstBlock: BlockNumber;
  readonly plannedBlock: BlockNumber;
  readonly deadlineBlock: BlockNumber;
}

/** What became known with a transition; what is left out keeps its last value. */
export interface IntentFacts {
  readonly block?: BlockNumber;
  readonly extrinsicHash?: string;
  readonly nonce?: number;
  readonly specVersion?: number;
  readonly reason?: IntentReason;
}

export interface WeightIntent extends WeightPlan {
  readonly state: IntentState;
  readonly block: BlockNumber | null;
  readonly extrinsicHash: string | null;
  readonly nonce: number | null;
  /** Of the runtime that the newest signature is for. */
  readonly specVersion: number | null;
  readonly reason: IntentReason | null;
}

/** One step of an intent's way, as it was noted. */
export interface IntentStep {
  readonly at: EpochMillis;
  readonly state: IntentState;
  readonly reason: IntentReason | null;
  readonly block: BlockNumber | null;
  readonly extrinsicHash: string | null;
  readonly specVersion: number | null;
}

export const FINAL_STATES: readonly IntentState[] = ["verified", "failed", "foreign", "dry_run"];

/** Only what was planned, of an intent. */
export function planOf(plan: WeightPlan): WeightPlan {
  const { id, netuid, mechanism, tempo, attempt, roundId, uids, weights, hotkeys, origin, versionKey } = plan;
  const { firstBlock, plannedBlock, deadlineBlock } = plan;
  const content = { id, netuid, mechanism, tempo, attempt, roundId, uids, weights, hotkeys, origin, versionKey };
  return { ...content, firstBlock, plannedBlock, deadlineBlock };
}

export function toIntentRow(plan: WeightPlan, state: IntentState): Omit<IntentRow, "position"> {
  return {
    id: plan.id,
    netuid: plan.netuid,
    mechanism: plan.mechanism,
    tempo: plan.tempo,
    attempt: plan.attempt,
    round_id: plan.roundId,
    uids: JSON.stringify(plan.uids),
    weights: JSON.stringify(plan.weights),
    hotkeys: JSON.stringify(plan.hotkeys),
    origin: plan.origin,
    version_key: plan.versionKey.toString(),
    first_block: plan.firstBlock,
    planned_block: plan.plannedBlock,
    deadline_block: plan.deadlineBlock,
    state,
    block: null,
    extrinsic_hash: null,
    nonce: null,
    spec_version: null,
    reason: null,
  };
}

export function toIntent(row: Omit<IntentRow, "position">): WeightIntent {
  return {
    id: row.id,
    netuid: row.netuid,
    mechanism: row.mechanism,
    tempo: row.tempo,
    attempt: row.attempt,
    roundId: row.round_id,
    uids: JSON.parse(row.uids) as readonly Uid[],
    weights: JSON.parse(row.weights) as readonly number[],
    hotkeys: JSON.parse(row.hotkeys) as readonly Hotkey[],
    origin: row.origin,
    versionKey: BigInt(row.version_key),
    firstBlock: row.first_block,
    plannedBlock: row.planned_block,
    deadlineBlock: row.deadline_block,
    state: row.state as IntentState,
    block: row.block,
    extrinsicHash: row.extrinsic_hash,
    nonce: row.nonce,
    specVersion: row.spec_version,
    reason: row.reason as IntentReason | null,
  };
}
