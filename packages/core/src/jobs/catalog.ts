import type { Stage } from "../scoring/sequential/stages.ts";
import type { BlockNumber, ExpertGroup, Hotkey, ModelVersion, Netuid, RoundId, Sha256Hex, Uid } from "../units.ts";

/** Fetch and inspect one miner's submission. The hint that makes a file in the inbox prompt. */
export interface DownloadJob {
  readonly roundId: RoundId;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly deadlineBlock: BlockNumber;
}

/** Measure one inspected submission. Paths are relative to the checkpoint directory. */
export interface EvaluationJob {
  readonly roundId: RoundId;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  readonly baseVersion: ModelVersion;
  readonly submissionPath: string;
  readonly submissionSha256: Sha256Hex;
  /** Hexadecimal seed that chooses the held-out batches; known only after submissions closed. */
  readonly seed: string;
  /** Which of the round's batches; all without it. */
  readonly stage?: Stage;
  readonly deadlineBlock: BlockNumber;
}

/** Bring one weight intent of the ledger to the chain. */
export interface WeightJob {
  readonly intentId: string;
  readonly deadlineBlock: BlockNumber;
}

/** Every queue with its payload. Ids are deterministic, so adding a job twice is harmless. */
export interface JobCatalog {
  readonly downloads: DownloadJob;
  readonly evaluations: EvaluationJob;
  readonly weights: WeightJob;
}
export type QueueName = keyof JobCatalog;

/** What happens to a job that failed for a reason of ours which may pass. */
export interface JobRetries {
  /** The first one counts. */
  readonly attempts: number;
  /** Before the second attempt; doubles from there on, less up to a half by chance. */
  readonly pauseMillis: number;
}

/** A measurement is repeated once and at once, on a fresh child: nothing that a pause would heal is involved. */
export const JOB_RETRIES: Readonly<Record<QueueName, JobRetries>> = {
  downloads: { attempts: 3, pauseMillis: 1_000 },
  evaluations: { attempts: 2, pauseMillis: 0 },
  weights: { attempts: 3, pauseMillis: 1_000 },
};

/** Id of the download job of one miner in one round. BullMQ forbids `:` and digits alone. */
export function downloadJobId(roundId: RoundId, uid: Uid): string {
  return `download-${roundId}-${uid}`;
}

/** Id of the evaluation job of one miner in one round, or of one stage of it, counted from 0. */
export function evaluationJobId(roundId: RoundId, uid: Uid, stage?: number): string {
  return stage === undefined ? `evaluation-${roundId}-${uid}` : `evaluation-${roundId}-${uid}-${stage}`;
}

/** Id of the job that brings one intent to the chain. */
export function weightJobId(intentId: string): string {
  return `weights-${intentId}`;
}

/**
 * Id of the weight intent for one tempo of a subnet, which is its idempotency key: `2-0-17`, and `2-0-17-r1`, … for what
 * takes the place of an attempt that ended with nothing on chain.
 */
export function weightIntentId({ netuid, mechanism, tempo, attempt }: WeightIntentKey): string {
  const first = `${netuid}-${mechanism}-${tempo}`;
  return attempt === 0 ? first : `${first}-r${attempt}`;
}

export interface WeightIntentKey {
  readonly netuid: Netuid;
  readonly mechanism: number;
  /** Index of the subnet's epoch. */
  readonly tempo: number;
  /** From 0. */
  readonly attempt: number;
}
