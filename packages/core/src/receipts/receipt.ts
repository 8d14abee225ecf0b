import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { canonicalDigest, type Json } from "../hash/canonical-json.ts";
import { expertGroupValue, hotkeyText } from "../messages/fields.ts";
import type { RosterCommitment } from "../round/round.ts";
import { type MeasuredLosses, REJECTION_REASONS, type RejectionReason } from "../scoring/outcome.ts";
import type { ExpertGroup, Hotkey, ModelVersion, Netuid, RoundId, Sha256Hex, Uid } from "../units.ts";

/** What became of a miner's file; `none` when nothing was recorded of one. */
export type ReceivedSubmission =
  | { readonly kind: "accepted"; readonly sha256: Sha256Hex; readonly bytes: number }
  | { readonly kind: "rejected"; readonly reason: RejectionReason }
  | { readonly kind: "expired" }
  | { readonly kind: "none" };

/** What the measurement came to; `none` when there was none. `expired` and `failed` are ours. */
export type ReceivedEvaluation = MeasuredEvaluation | UnmeasuredEvaluation;
export type MeasuredEvaluation = MeasuredLosses & { readonly kind: "scored"; readonly seconds: number };
export type UnmeasuredEvaluation =
  | { readonly kind: "rejected"; readonly reason: RejectionReason }
  | { readonly kind: "expired" }
  | { readonly kind: "failed"; readonly code: string }
  | { readonly kind: "none" };

/**
 * What one validator found of one miner in one round, and what it gave for it: everything that the score follows from.
 *
 * Texts that others chose (details of rejections, messages of failures) are left out.
 */
export interface Receipt {
  readonly schema: 1;
  readonly netuid: Netuid;
  readonly cycle: number;
  readonly round: RoundId;
  readonly validator: Hotkey;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  readonly commitment: RosterCommitment | null;
  /** Seed of the held-out text; null when it was never known. */
  readonly seed: string | null;
  readonly base: { readonly version: ModelVersion; readonly digest: Sha256Hex };
  /** Whether a submission came in time, whatever became of it. */
  readonly arrived: boolean;
  readonly submission: ReceivedSubmission;
  readonly evaluation: ReceivedEvaluation;
  readonly w: number;
  /** Why `w` is 0. */
  readonly reason: string | null;
}

/** A receipt with its name and the validator's signature over it. */
export interface SignedReceipt {
  readonly receipt: Receipt;
  /** {@link receiptDigest} */
  readonly digest: Sha256Hex;
  /** URL-safe Base64 over {@link receiptMessage}. */
  readonly signature: string;
}

/** Names a receipt by its content: SHA-256 over its canonical JSON. */
export function receiptDigest(receipt: Receipt): Sha256Hex {
  return contentDigest(receipt);
}

/** The bytes that a receipt's signature covers: two lines, the first naming the format. */
export function receiptMessage(digest: Sha256Hex): Uint8Array {
  return utf8ToBytes(`assay-receipt-v1\n${digest}`);
}

/** SHA-256 over the canonical JSON of what consists of JSON's own values. */
export function contentDigest(content: object): Sha256Hex {
  return canonicalDigest(content as Json);
}

export const digestText: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/, "not a SHA-256");
export const natural: z.ZodNumber = z.int().nonnegative();
/** In canonical Base64: any other spelling of the same bytes is a change. */
export const canonicalSignature: z.ZodString = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, "not a 64-byte signature");

const reason = z.enum(REJECTION_REASONS);
/** A code or reason of ours. */
export const wordText: z.ZodString = z.string().max(64);
/** A text of more sequences takes a verifier minutes. */
const MOST_SEQUENCES = 1 << 24;

export const commitmentSchema: z.ZodType<RosterCommitment> = z.strictObject({
  hash: digestText,
  signature: z.string().max(128),
  block: natural,
});

const scored = z.strictObject({
  kind: z.literal("scored"),
  lossBefore: z.number(),
  lossAfter: z.number(),
  tokens: natural,
  batchLosses: z
    .array(z.strictObject({ tokens: natural, before: z.number(), after: z.number() }))
    .min(1)
    .max(65_536),
  batchesLeft: natural.exactOptional(),
  band: z.number().nonnegative(),
  datasetSha256: digestText,
  text: z
    .strictObject({
      tokenizerSha256: digestText,
      sequences: natural.max(MOST_SEQUENCES),
      batchSize: z.int().positive(),
      chosen: z.array(natural).max(MOST_SEQUENCES),
    })
    .exactOptional(),
  runtime: z
    .strictObject({ library: z.string().max(200), node: wordText, device: wordText, threads: natural.nullable() })
    .exactOptional(),
  seconds: z.number().nonnegative(),
});

const received = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("accepted"), sha256: digestText, bytes: natural }),
  z.strictObject({ kind: z.literal("rejected"), reason }),
  z.strictObject({ kind: z.literal("expired") }),
  z.strictObject({ kind: z.literal("none") }),
]);

const unmeasured = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("rejected"), reason }),
  z.strictObject({ kind: z.literal("expired") }),
  z.strictObject({ kind: z.literal("failed"), code: wordText }),
  z.strictObject({ kind: z.literal("none") }),
]);

export const receivedSubmissionSchema: z.ZodType<ReceivedSubmission> = received;
export const unmeasuredSchema: z.ZodType<UnmeasuredEvaluation> = unmeasured;

const receiptSchema: z.ZodType<Receipt> = z.strictObject({
  schema: z.literal(1),
  netuid: natural,
  cycle: natural,
  round: natural,
  validator: hotkeyText,
  uid: natural,
  hotkey: hotkeyText,
  group: expertGroupValue,
  commitment: commitmentSchema.nullable(),
  seed: digestText.nullable(),
  base: z.strictObject({ version: natural, digest: digestText }),
  arrived: z.boolean(),
  submission: received,
  evaluation: z.discriminatedUnion("kind", [scored, ...unmeasured.options]),
  w: z.number(),
  reason: wordText.nullable(),
});

/** Reads {@link SignedReceipt} and refuses anything else, unknown keys too. */
export const signedReceiptSchema: z.ZodType<SignedReceipt> = z.strictObject({
  receipt: receiptSchema,
  digest: digestText,
  signature: canonicalSignature,
});
