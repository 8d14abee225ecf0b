import type { Hotkey, NatsPerToken, RoundId, Sha256Hex, Uid } from "../units.ts";

/** Why a submission earns nothing. A miner's fault, so it is a result and never an exception. */
export const REJECTION_REASONS = [
  /** No complete two-phase commitment on chain when the round was frozen. */
  "not_committed",
  /** Committed, but no submission arrived inside the Submission phase. */
  "late",
  /** The bytes do not hash to the commitment on chain. */
  "hash_mismatch",
  /** The committed signature over the hash is not the hotkey's. */
  "signature_invalid",
  /** The signed block lies outside the Submission phase. */
  "block_window",
  /** Signed for another expert group than the miner's own. */
  "wrong_group",
  /** The URL leads where no submission may lie: a private address, a forbidden redirect. */
  "url_refused",
  /** Larger than any submission of this group can be. */
  "too_large",
  /** Not a valid safetensors file. */
  "malformed",
  /** A tensor is missing, or one too many (foreign group, router, shared). */
  "tensor_set_mismatch",
  /** A tensor has another shape than the group's. */
  "shape_mismatch",
  /** A tensor has another dtype than the group's. */
  "dtype_mismatch",
  /** A weight is NaN or infinite. */
  "non_finite_weights",
  /** Finite weights gave a loss that is not finite. */
  "non_finite_loss",
  /** The same file as another submission of the group whose signature was committed earlier. */
  "duplicate",
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** Which submission an outcome belongs to. */
export interface OutcomeKey {
  readonly roundId: RoundId;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
}

/** A submission fetched and inspected, or why not. Our own failures are thrown, not returned. */
export type DownloadOutcome = OutcomeKey &
  (
    | { readonly kind: "accepted"; readonly path: string; readonly sha256: Sha256Hex; readonly bytes: number }
    | { readonly kind: "rejected"; readonly reason: RejectionReason; readonly detail: string }
    | { readonly kind: "expired" }
  );

/** Nothing has arrived from this miner yet; any real outcome replaces it. */
export type NoSubmission = OutcomeKey & { readonly kind: "none" };

/** One batch's cross-entropies in nats, summed over its tokens, without and with the submission. */
export interface BatchLoss {
  readonly tokens: number;
  readonly before: number;
  readonly after: number;
}

/** Which held-out sequences a measurement took, and how they were cut. */
export interface ChosenText {
  /** Names the tokenizer's files and code: equal digests give equal tokens. */
  readonly tokenizerSha256: Sha256Hex;
  /** How many sequences the whole text has. */
  readonly sequences: number;
  /** Sequences per batch; the last may have fewer. */
  readonly batchSize: number;
  /** Numbers of the sequences in the order of the batches. */
  readonly chosen: readonly number[];
}

/** What a measurement ran on. Two that differ here may differ by the band. */
export interface MeasuringRuntime {
  /** Program and version that computed the losses. */
  readonly library: string;
  readonly node: string;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  /** Null where another program decides. */
  readonly threads: number | null;
}

/** Two losses on the same held-out text, and what they rest on. */
export interface MeasuredLosses {
  readonly lossBefore: NatsPerToken;
  readonly lossAfter: NatsPerToken;
  /** Tokens that were counted in each of the two losses. */
  readonly tokens: number;
  /** In the order that the seed gives; the two losses are their sums divided by all tokens. */
  readonly batchLosses: readonly BatchLoss[];
  /** Of a stage only: how many batches of the round's text come after these. */
  readonly batchesLeft?: number;
  /** Largest difference that another machine, thread count or batch size makes in either loss. */
  readonly band: NatsPerToken;
  /** Names the held-out text: equal digests on two validators mean the same text. */
  readonly datasetSha256: Sha256Hex;
  /** Both absent in what an older release measured. */
  readonly text?: ChosenText;
  readonly runtime?: MeasuringRuntime;
}

/** One submission measured, or why not. */
export type EvaluationOutcome = OutcomeKey &
  (
    | (MeasuredLosses & {
        readonly kind: "scored" /** Wall-clock time of the measurement. */;
        readonly seconds: number;
      })
    | { readonly kind: "rejected"; readonly reason: RejectionReason; readonly detail: string }
    | { readonly kind: "expired" }
  );

/** We could not measure the submission. Ours, so it costs the miner nothing, and a real outcome replaces it. */
export type FailedEvaluation = OutcomeKey & {
  readonly kind: "failed";
  readonly code: string;
  readonly message: string;
};
