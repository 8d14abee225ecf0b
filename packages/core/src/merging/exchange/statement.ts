import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { canonicalDigest } from "../../hash/canonical-json.ts";
import { expertGroupValue, hotkeyText, signatureText } from "../../messages/fields.ts";
import type { ExpertGroup, Hotkey, Netuid, Sha256Hex } from "../../units.ts";

/** What every statement of a merge says of itself. */
interface StatementHead {
  readonly netuid: Netuid;
  readonly cycle: number;
  readonly author: Hotkey;
}

/** One group's pseudo-gradient that a member offers to average: base minus the merged submissions, as float32. */
export interface Contribution {
  readonly group: ExpertGroup;
  /** Number of float32 values: all elements of the group's tensors, in the order of its file. */
  readonly values: number;
  /** Sum of the squares of all values, in float64, chunk by chunk in order. */
  readonly squares: number;
  /** Digest of the {@link ChunkTable} of its bytes. */
  readonly table: Sha256Hex;
}

/** "This is what I merge from, and what I offer." One per member and cycle. */
export interface Announcement extends StatementHead {
  readonly kind: "announcement";
  readonly attempt: 0;
  /** Digest of the version that is merged from. */
  readonly base: Sha256Hex;
  /** Digest over the momentum that belongs to it. */
  readonly momentum: Sha256Hex;
  readonly contributions: readonly Contribution[];
}

/** Why a reducer could not use a contributor's chunk. */
export const REDUCE_FAILURES = ["unreachable", "wrong_hash", "wrong_length", "wrong_norm", "non_finite"] as const;
export type ReduceFailureReason = (typeof REDUCE_FAILURES)[number];

export interface ReduceFailure {
  readonly contributor: Hotkey;
  readonly reason: ReduceFailureReason;
}

/** "These are the averages of the chunks that were dealt to me", or who kept me from making them. */
export interface Result extends StatementHead {
  readonly kind: "result";
  readonly attempt: number;
  /** {@link membersDigest} of those whose contributions it averages. */
  readonly members: Sha256Hex;
  /** Digest of the {@link ChunkTable} of the averages; null when there are failures. */
  readonly table: Sha256Hex | null;
  readonly failures: readonly ReduceFailure[];
}

/** A chunk whose average the author made again and found to be another one. */
export interface Objection {
  readonly reducer: Hotkey;
  /** Number of the chunk in the deal. */
  readonly chunk: number;
}

/** "I hold the next version, ready to publish", or what speaks against publishing it. */
export interface Final extends StatementHead {
  readonly kind: "final";
  readonly attempt: number;
  readonly members: Sha256Hex;
  /** Digests of the version and of its momentum; null when there are objections. */
  readonly version: Sha256Hex | null;
  readonly momentum: Sha256Hex | null;
  readonly objections: readonly Objection[];
}

export type Statement = Announcement | Result | Final;
export type StatementKind = Statement["kind"];

/** The chunks of a contribution or of a reducer's averages, by their digests: a small file, itself fetched by digest. */
export interface ChunkTable {
  readonly chunks: readonly {
    readonly sha256: Sha256Hex;
    /** Sum of the squares of the chunk's values in float64, in order. */
    readonly squares: number;
  }[];
}

/** A statement with its author's signature, and those of others who accepted it in time. */
export interface Envelope {
  readonly statement: Statement;
  /** URL-safe Base64 over {@link statementBytes}. */
  readonly signature: string;
  /** Over {@link endorsementBytes}: it was the first statement of its author that they saw. */
  readonly endorsements: readonly CoSignature[];
  /** Over {@link witnessBytes}: it was the second, so its author said two things. */
  readonly witnesses: readonly CoSignature[];
}

export interface CoSignature {
  readonly hotkey: Hotkey;
  /** URL-safe Base64. */
  readonly signature: string;
}

/** Names a statement's content. Signatures of one content differ from time to time; this does not. */
export function statementDigest(statement: Statement): Sha256Hex {
  return canonicalDigest({ ...statement } as never);
}

/** What the author signs. */
export function statementBytes(digest: Sha256Hex): Uint8Array {
  return utf8ToBytes(`bz-merge-statement-v1\n${digest}`);
}

/** What signs whoever saw the statement in time and none of its author's before. */
export function endorsementBytes(digest: Sha256Hex): Uint8Array {
  return utf8ToBytes(`bz-merge-endorsement-v1\n${digest}`);
}

/** What signs whoever saw the statement in time after another one of its author's. */
export function witnessBytes(digest: Sha256Hex): Uint8Array {
  return utf8ToBytes(`bz-merge-witness-v1\n${digest}`);
}

/** Names a set of members: whoever averaged for another set made another average. */
export function membersDigest(members: readonly Hotkey[]): Sha256Hex {
  return canonicalDigest([...members]);
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const head = { netuid: z.int().nonnegative(), cycle: z.int().nonnegative(), author: hotkeyText };
/** More values than this in one group no machine of today merges. */
const MOST_VALUES = 2 ** 40;
const MOST_MEMBERS = 256;

const announcement = z.strictObject({
  ...head,
  kind: z.literal("announcement"),
  attempt: z.literal(0),
  base: digest,
  momentum: digest,
  contributions: z
    .array(
      z.strictObject({
        group: expertGroupValue,
        values: z.int().positive().max(MOST_VALUES),
        squares: z.number().nonnegative(),
        table: digest,
      }),
    )
    .max(4096)
    .refine((all) => all.every(({ group }, index) => index === 0 || group > (all[index - 1]?.group ?? 0)), {
      error: "groups are not in order, or one is there twice",
    }),
});

const result = z.strictObject({
  ...head,
  kind: z.literal("result"),
  attempt: z.int().positive(),
  members: digest,
  table: digest.nullable(),
  failures: z.array(z.strictObject({ contributor: hotkeyText, reason: z.enum(REDUCE_FAILURES) })).max(MOST_MEMBERS),
});

const final = z.strictObject({
  ...head,
  kind: z.literal("final"),
  attempt: z.int().positive(),
  members: digest,
  version: digest.nullable(),
  momentum: digest.nullable(),
  objections: z.array(z.strictObject({ reducer: hotkeyText, chunk: z.int().nonnegative() })).max(MOST_MEMBERS),
});

const coSignatures = z.array(z.strictObject({ hotkey: hotkeyText, signature: signatureText })).max(MOST_MEMBERS);

/** Reads an {@link Envelope} from a stranger and refuses anything else, unknown keys too. */
export const envelopeSchema: z.ZodType<Envelope> = z.strictObject({
  statement: z.discriminatedUnion("kind", [announcement, result, final]),
  signature: signatureText,
  endorsements: coSignatures,
  witnesses: coSignatures,
});

/** The chunks of a {@link ChunkTable}. */
export const tableChunksSchema: z.ZodType<ChunkTable["chunks"]> = z
  .array(z.strictObject({ sha256: digest, squares: z.number().nonnegative() }))
  .max(2 ** 20);

/** Reads a {@link ChunkTable} and refuses anything else. A sum that is not finite cannot be written, so it is refused. */
export const chunkTableSchema: z.ZodType<ChunkTable> = z.strictObject({
  chunks: tableChunksSchema,
});
