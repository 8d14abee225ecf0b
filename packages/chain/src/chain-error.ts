import { AppError } from "@assay/core/app-error";

/**
 * Every way the chain can fail us or refuse a call. Codes are stable: dashboards and runbooks use them.
 *
 * Chains rename and renumber their errors between runtimes; `fields.name` holds the chain's own word where there is one.
 */
export const ChainErrorCode = {
  /** No connection to any endpoint, or it was lost during the request. */
  Disconnected: "CHAIN_DISCONNECTED",
  /** An endpoint took a request and did not answer within `requestDeadlineMillis`. */
  RequestDeadline: "CHAIN_REQUEST_DEADLINE",
  /** An endpoint answered a request with an error that no other code names. */
  RequestFailed: "CHAIN_REQUEST_FAILED",
  /** The endpoint has pruned the state of that block; use an archive endpoint. */
  StateDiscarded: "CHAIN_STATE_DISCARDED",
  /** The endpoint does not know a block of that hash. */
  BlockUnknown: "CHAIN_BLOCK_UNKNOWN",
  /** An endpoint serves another chain than the first one did; its address is wrong. */
  GenesisMismatch: "CHAIN_GENESIS_MISMATCH",
  /** Not supported by this runtime: it lacks a storage item, call or field that is needed (`fields.missing`); an operator must upgrade. */
  InterfaceMismatch: "CHAIN_INTERFACE_MISMATCH",
  /** The client is not started yet, or already stopped. */
  NotStarted: "CHAIN_NOT_STARTED",

  /** `submit` was called on a client without a signer. */
  NoSigner: "CHAIN_NO_SIGNER",

  /** Not included by the deadline block; it never will be. */
  ExtrinsicDeadline: "CHAIN_EXTRINSIC_DEADLINE",
  /** Included before the deadline, but finality stalled: it may still become final. Read the chain before repeating. */
  FinalityStalled: "CHAIN_FINALITY_STALLED",
  /** The caller's signal ended the wait; the extrinsic may still land until its deadline block. */
  SubmissionAborted: "CHAIN_SUBMISSION_ABORTED",
  /** Included, and refused with an error that no other code names: `fields.pallet`, `fields.name`. */
  DispatchFailed: "CHAIN_DISPATCH_FAILED",
  /** Refused by the transaction pool for a reason that no other code names: `fields.detail`. */
  PoolRejected: "CHAIN_POOL_REJECTED",
  /** The nonce was used up or is held by somebody else, again and again: two processes sign with one hotkey. */
  NonceConflict: "CHAIN_NONCE_CONFLICT",
  /** The transaction pool has banned this very extrinsic for a while; signed anew it is another one. */
  ExtrinsicBanned: "CHAIN_EXTRINSIC_BANNED",
  /** The transaction pool or the next block has no room; to be tried again in a later block. */
  PoolFull: "CHAIN_POOL_FULL",
  /** The hotkey's account cannot pay the fee or the tip. */
  FeeUnpayable: "CHAIN_FEE_UNPAYABLE",
  /** The chain does not accept our signature. */
  BadSignature: "CHAIN_BAD_SIGNATURE",
  /** Another process signs with our hotkey, so we do not; an operator must end one of them. */
  SigningLocked: "CHAIN_SIGNING_LOCKED",

  /** Too soon after the hotkey's previous call of this kind, or its space for this epoch is used up. */
  RateLimited: "CHAIN_RATE_LIMITED",
  /** The hotkey is not registered on the subnet. */
  NotRegistered: "CHAIN_NOT_REGISTERED",
  /** The hotkey has no validator permit. */
  NoPermit: "CHAIN_NO_PERMIT",
  /** The hotkey's stake is below the chain's threshold. */
  StakeTooLow: "CHAIN_STAKE_TOO_LOW",
  /** The given version key is below the subnet's. */
  VersionKey: "CHAIN_VERSION_KEY",
  /** The subnet takes weights by commit and reveal only. */
  CommitRevealEnabled: "CHAIN_COMMIT_REVEAL_ENABLED",
  /** The subnet takes plain weights only. */
  CommitRevealDisabled: "CHAIN_COMMIT_REVEAL_DISABLED",
  /** The chain refuses a commit of weights: its version, or a round that is signed already. */
  CommitRefused: "CHAIN_COMMIT_REFUSED",
  /** The chain refuses to reveal weights: no such commit, too early, or too late. */
  RevealRefused: "CHAIN_REVEAL_REFUSED",
  /** No such subnet. */
  SubnetUnknown: "CHAIN_SUBNET_UNKNOWN",
  /** The chain refuses the weight vector: lengths, duplicates, unknown uid, too few, too many, one too large. */
  WeightsInvalid: "CHAIN_WEIGHTS_INVALID",
  /** More bytes or fields than a commitment can hold. */
  CommitmentTooLarge: "CHAIN_COMMITMENT_TOO_LARGE",
  /** The chain refuses the axon's address or port. */
  AxonInvalid: "CHAIN_AXON_INVALID",
} as const;
export type ChainErrorCode = (typeof ChainErrorCode)[keyof typeof ChainErrorCode];

export class ChainError extends AppError<ChainErrorCode> {}
