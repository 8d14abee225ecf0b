import type { BlockNumber } from "@assay/core/units";
import type { ChainCall, SubmitOptions } from "./chain-client.ts";

/** What is known of an extrinsic before anybody but us has it. */
export interface SignedFacts {
  /** Hash of the extrinsic, `0x` and 64 hexadecimal digits. */
  readonly hash: string;
  readonly nonce: number;
  readonly kind: ChainCall["kind"];
  /** Newest block when it was signed: only a later one can include it. */
  readonly signedBlock: BlockNumber;
  /** Last block that may include it. */
  readonly lastBlock: BlockNumber;
}

/** Stands in front of every signature of a hotkey, whichever call it is for. */
export interface SigningGuard {
  /**
   * Resolves once calls may be signed.
   *
   * @throws ChainError `CHAIN_EXTRINSIC_DEADLINE` or `CHAIN_SIGNING_LOCKED` when that is not so by the deadline block;
   *   the signal's reason when it is aborted.
   */
  admit(options: Pick<SubmitOptions, "signal" | "deadlineBlock">): Promise<void>;
  /**
   * Hears of a signed extrinsic before it leaves, and resolves once a restarted process would know it as ours.
   *
   * @throws ChainError `CHAIN_SIGNING_LOCKED` when it must not leave any more.
   */
  record(extrinsic: SignedFacts): Promise<void>;
}
