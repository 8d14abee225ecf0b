import type { BlockHash, BlockNumber, ExpertGroup, Hotkey, ModelVersion, RoundId, Sha256Hex, Uid } from "../units.ts";

/** A miner that takes part in a round, frozen when the round is planned. */
export interface RosterEntry {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  /** What the miner committed in both phases; null when either is missing, so that it is rejected as not committed. */
  readonly commitment: RosterCommitment | null;
}

/** What binds a miner to one file. */
export interface RosterCommitment {
  readonly hash: Sha256Hex;
  readonly signature: string;
  /** Block in which the signature was committed: who bound itself first to a file is a fact of the chain. */
  readonly block: BlockNumber;
}

/** Our frozen plan for one cycle. Nothing in it changes after it was written. */
export interface Round {
  readonly id: RoundId;
  readonly cycle: number;
  /** The block hash that every chain fact of this round was read at. */
  readonly snapshotHash: BlockHash;
  /** First and last block in which submissions are taken. */
  readonly submissionFirst: BlockNumber;
  readonly submissionLast: BlockNumber;
  /** The block whose hash seeds the evaluation: the first after submissions closed. */
  readonly seedBlock: BlockNumber;
  /** Evaluations not finished at this block expire. */
  readonly evaluationDeadline: BlockNumber;
  readonly baseVersion: ModelVersion;
  readonly roster: readonly RosterEntry[];
}
