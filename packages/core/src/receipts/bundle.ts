import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import { merkleTreeRoot } from "../hash/merkle-tree.ts";
import { encodeBase64Url } from "../messages/base64url.ts";
import { expertGroupValue, hotkeyText } from "../messages/fields.ts";
import { type Network, networkSchema } from "../network.ts";
import type { Round } from "../round/round.ts";
import type { ScoreState } from "../scoring/round-scores.ts";
import type { BlockHash, EpochMillis, Hotkey, Netuid, Sha256Hex } from "../units.ts";
import {
  canonicalSignature,
  commitmentSchema,
  contentDigest,
  digestText,
  natural,
  type SignedReceipt,
  signedReceiptSchema,
} from "./receipt.ts";
import { type WeightRecord, weightRecordSchema } from "./weight-record.ts";

/** Who made the bundle, by which rules, of which round. */
export interface BundleHeader {
  readonly schema: 1;
  /** Version of the code. */
  readonly code: string;
  readonly netuid: Netuid;
  readonly validator: Hotkey;
  /** When the round was found closed. */
  readonly closedAt: EpochMillis;
  /** Root of the validator's bundle before this one; null in its first. */
  readonly previous: Sha256Hex | null;
  readonly network: Network;
  /** Weight of the old value in the moving average. */
  readonly weightOfOld: number;
  /** The plan, with the round's members. */
  readonly round: Round;
  /** Digest of the model that was trained from. */
  readonly baseDigest: Sha256Hex;
  /** Where the seed came from; null when it was never known. */
  readonly seed: { readonly blockHash: BlockHash; readonly value: string } | null;
  /** Whether miners could submit for most of the window. */
  readonly doorWasOpen: boolean;
}

/** All standings, by uid, before and after the round was closed. */
export interface BundleScores {
  readonly before: readonly ScoreState[];
  readonly after: readonly ScoreState[];
}

/**
 * Everything that one validator's scores of one cycle, and the weights that follow from them, rest on.
 *
 * `verifyBundle` follows it from the losses to the weights. One root names all of it.
 *
 * @see packages/docs/protocol.md §8, packages/docs/adr/0037-receipts.md
 */
export interface Bundle {
  readonly header: BundleHeader;
  /** One for each of the round's members, in the order of the roster. */
  readonly receipts: readonly SignedReceipt[];
  readonly scores: BundleScores;
  readonly weights: WeightRecord;
  /** SHA-256 of the canonical JSON of each part. */
  readonly digests: BundleDigests;
  /** {@link bundleRoot} */
  readonly root: Sha256Hex;
  /** The validator's, URL-safe Base64 over {@link bundleMessage}. */
  readonly signature: string;
}

export interface BundleDigests {
  readonly header: Sha256Hex;
  readonly scores: Sha256Hex;
  readonly weights: Sha256Hex;
}

/** Names the parts that are no receipts. */
export function bundleDigests({
  header,
  scores,
  weights,
}: Pick<Bundle, "header" | "scores" | "weights">): BundleDigests {
  return { header: contentDigest(header), scores: contentDigest(scores), weights: contentDigest(weights) };
}

/**
 * One digest for the whole bundle: the tree hash of RFC 6962 §2.1 over the 32 bytes of each digest, header, scores and
 * weights first, then the receipts in their order. Signatures are no part of it: they differ from time to time.
 */
export function bundleRoot(digests: BundleDigests, receipts: readonly Pick<SignedReceipt, "digest">[]): Sha256Hex {
  const { header, scores, weights } = digests;
  return merkleTreeRoot([header, scores, weights, ...receipts.map(({ digest }) => digest)].map(hexToBytes));
}

/** The bytes that a bundle's signature covers: two lines, the first naming the format. */
export function bundleMessage(root: Sha256Hex): Uint8Array {
  return utf8ToBytes(`assay-bundle-v1\n${root}`);
}

/** The bundle's one spelling: canonical JSON, no line feed at its end. */
export function bundleText(bundle: Bundle): string {
  return canonicalJson(bundle as unknown as Json);
}

const COMMITTED_ROOT_BYTES = 24;

/**
 * What of a root goes on chain: its first 24 bytes in URL-safe Base64, 32 characters. All 32 bytes would not leave room
 * for the version's number beside the model's hash; nobody finds two bundles with 192 equal bits.
 */
export function committedRoot(root: Sha256Hex): string {
  return encodeBase64Url(hexToBytes(root).subarray(0, COMMITTED_ROOT_BYTES));
}

export const blockHashText: z.ZodString = z.string().max(66);
/** More than a subnet has slots. */
export const MOST_MEMBERS = 65_536;

export const roundSchema: z.ZodType<Round> = z.strictObject({
  id: natural,
  cycle: natural,
  snapshotHash: blockHashText,
  submissionFirst: natural,
  submissionLast: natural,
  seedBlock: natural,
  evaluationDeadline: natural,
  baseVersion: natural,
  roster: z
    .array(
      z.strictObject({
        uid: natural,
        hotkey: hotkeyText,
        group: expertGroupValue,
        commitment: commitmentSchema.nullable(),
      }),
    )
    .max(MOST_MEMBERS),
});

export const statesSchema: z.ZodType<readonly ScoreState[]> = z
  .array(z.strictObject({ uid: natural, hotkey: hotkeyText, ema: z.number(), points: natural, lastRound: natural }))
  .max(MOST_MEMBERS);

/** Reads {@link Bundle} and refuses anything else, unknown keys too. */
export const bundleSchema: z.ZodType<Bundle> = z.strictObject({
  header: z.strictObject({
    schema: z.literal(1),
    code: z.string().max(64),
    netuid: natural,
    validator: hotkeyText,
    closedAt: natural,
    previous: digestText.nullable(),
    network: networkSchema,
    weightOfOld: z.number().min(0).lt(1),
    round: roundSchema,
    baseDigest: digestText,
    seed: z.strictObject({ blockHash: blockHashText, value: digestText }).nullable(),
    doorWasOpen: z.boolean(),
  }),
  receipts: z.array(signedReceiptSchema).max(MOST_MEMBERS),
  scores: z.strictObject({ before: statesSchema, after: statesSchema }),
  weights: weightRecordSchema,
  digests: z.strictObject({ header: digestText, scores: digestText, weights: digestText }),
  root: digestText,
  signature: canonicalSignature,
});
