import type { ChainCommitment, ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, EpochMillis, Hotkey, Netuid, Uid } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { WeightRules } from "./weight-rules.ts";

/** The newest block of the chain, or the newest final one. */
export interface ChainHead {
  readonly number: BlockNumber;
  readonly hash: BlockHash;
}

/** Proof that an extrinsic is final and was dispatched without error. */
export interface ExtrinsicReceipt {
  /** Hash of the extrinsic itself, `0x` and 64 hexadecimal digits. */
  readonly hash: string;
  /** The final block that contains it. */
  readonly block: BlockNumber;
  readonly blockHash: BlockHash;
}

export interface SetWeightsCall {
  readonly kind: "set_weights";
  readonly netuid: Netuid;
  readonly uids: readonly Uid[];
  /** One u16 per uid. Only ratios count: the chain scales the largest to 65535. */
  readonly weights: readonly number[];
  /** Must not be below the subnet's `weightsVersionKey`. */
  readonly versionKey: bigint;
}

/** Weights as a ciphertext, which the chain opens when the round is signed. */
export interface CommitTimelockedWeightsCall {
  readonly kind: "commit_timelocked_weights";
  readonly netuid: Netuid;
  readonly commit: Uint8Array;
  /** Round of the chain's beacon that the ciphertext was made for; not older than the newest it has. */
  readonly revealRound: number;
}

/** The hash of weights that a {@link RevealWeightsCall} shows in the reveal's epoch. */
export interface CommitWeightsCall {
  readonly kind: "commit_weights";
  readonly netuid: Netuid;
  readonly commitHash: string;
}

export interface RevealWeightsCall extends Omit<SetWeightsCall, "kind"> {
  readonly kind: "reveal_weights";
  /** u16 numbers, as they were hashed. */
  readonly salt: readonly number[];
}

/** Bytes that fit the longest plain field of a commitment, `Raw128`. */
export const MAX_COMMITMENT_BYTES = 128;

export interface SetCommitmentCall {
  readonly kind: "set_commitment";
  readonly netuid: Netuid;
  /** At most {@link MAX_COMMITMENT_BYTES}. Replaces the hotkey's earlier commitment. */
  readonly bytes: Uint8Array;
}

export interface ServeAxonCall {
  readonly kind: "serve_axon";
  readonly netuid: Netuid;
  /** IPv4 or IPv6 address in text form; the chain refuses loopback. */
  readonly ip: string;
  readonly port: number;
}

/** Everything that Assay ever signs and sends. */
export type ChainCall =
  | SetWeightsCall
  | CommitTimelockedWeightsCall
  | CommitWeightsCall
  | RevealWeightsCall
  | SetCommitmentCall
  | ServeAxonCall;

/** What one block shows of the doings of a hotkey on one subnet. */
export interface HotkeyTrace {
  /** Extrinsics that the hotkey signed up to this block, failed ones included. */
  readonly nonce: number;
  /** Null without a slot, else the block of the neuron's last weights or commit of weights, or of its registration. */
  readonly lastUpdate: BlockNumber | null;
  /** Block in which the hotkey got its slot; null without one. */
  readonly registeredAt: BlockNumber | null;
  /** Block of the stored commitment; null without one. */
  readonly committedAt: BlockNumber | null;
}

/**
 * How far a call has come. `in_block` can happen again after a fork took its block away, and `signed` when the call is
 * signed anew: before the next signature the earlier extrinsic can no longer land, or has the same nonce.
 */
export type SubmissionState = "signed" | "ready" | "in_block" | "finalized";

/** Facts about one step of a submission. `block` and `blockHash` are known from `in_block` on. */
export interface SubmissionProgress {
  readonly extrinsicHash: string;
  readonly nonce: number;
  /** Of the runtime that the signature is for. */
  readonly specVersion: number;
  readonly block?: BlockNumber;
  readonly blockHash?: BlockHash;
}

export interface SubmitOptions {
  readonly signal: AbortSignal;
  /**
   * Last block that may include the extrinsic. Extrinsics are mortal and die by then, so one that was reported as
   * late never lands afterwards.
   */
  readonly deadlineBlock: BlockNumber;
  /** What block authors get for preferring the extrinsic, in rao; the client's own setting unless given. */
  readonly tipRao?: bigint;
  readonly onState?: (state: SubmissionState, progress: SubmissionProgress) => void;
}

/**
 * The chain, as a validator needs it.
 *
 * Reads fail with a {@link ChainError}; a read at a block hash answers for exactly that block or fails, it never falls
 * back to the head.
 */
export interface ChainClient extends Startable {
  /** Address of the signing hotkey; null for a client that can only read. */
  readonly hotkey: Hotkey | null;
  /** Newest known block. Known once `start` has resolved; may be old while disconnected. */
  head(): ChainHead;
  finalizedHead(): ChainHead;
  /**
   * Calls the listener whenever the block number advances, with the newest block: after a pause or a reconnect the
   * numbers in between are skipped. Returns a function that ends it.
   */
  onHead(listener: (head: ChainHead) => void): () => void;
  /** Hash of a block on the best chain (a fork may replace it until it is final); null when not yet produced. */
  blockHash(block: BlockNumber): Promise<BlockHash | null>;
  /** Hash of a final block; null until it is final. */
  finalizedBlockHash(block: BlockNumber): Promise<BlockHash | null>;
  /** Time that a block's author gave it; blocks carry it in order, and no local clock has a part in it. */
  blockTime(at: BlockHash): Promise<EpochMillis>;
  /** The subnet's neurons, rules and commitments, all read at one block. */
  snapshot(netuid: Netuid, at: BlockHash): Promise<ChainSnapshot>;
  /** What each hotkey last committed, at one block. Bytes are hostile; hotkeys may be deregistered. */
  commitments(netuid: Netuid, at: BlockHash): Promise<readonly ChainCommitment[]>;
  /** A neuron's weights as stored, sorted by uid; at the head when no block is given. Empty when it never set any. */
  weights(netuid: Netuid, uid: Uid, at?: BlockHash): Promise<readonly (readonly [Uid, number])[]>;
  /** The weights of every neuron that ever set any, by uid, each as {@link weights} gives them, at one block. */
  allWeights(netuid: Netuid, at: BlockHash): Promise<ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>>;
  /**
   * How and when the subnet takes weights, at one block.
   *
   * @throws ChainError `CHAIN_INTERFACE_MISMATCH` when it hides them in a way that this version does not know.
   */
  weightRules(netuid: Netuid, at: BlockHash): Promise<WeightRules>;
  /** Hashes of a hotkey's commits of weights that are neither revealed nor dropped, at one block. */
  pendingCommits(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<readonly string[]>;
  /** What a hotkey has done, as of one block. */
  hotkeyTrace(netuid: Netuid, hotkey: Hotkey, at: BlockHash): Promise<HotkeyTrace>;
  /** Hashes of all extrinsics that one block contains, in its order. */
  extrinsicHashes(at: BlockHash): Promise<readonly string[]>;
  /** Signs and sends a call. Resolves once it is final and was dispatched without error. */
  submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt>;
}
