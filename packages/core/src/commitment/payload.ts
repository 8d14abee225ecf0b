import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { AppError } from "../app-error.ts";
import { decodeUtf8, parseJson } from "../stranger-text.ts";
import type { BlockNumber, ExpertGroup, ModelVersion } from "../units.ts";

/** Most bytes of one commitment on chain (`Data::Raw128`). */
export const MAX_COMMITMENT_BYTES = 128;
/** Most characters of a repository id. */
export const MAX_REPOSITORY_CHARACTERS = 32;

/** Every way we can fail to write a commitment. */
export const CommitmentErrorCode = {
  /** The payload does not fit into {@link MAX_COMMITMENT_BYTES}; shorten the repository id. */
  TooLarge: "COMMITMENT_TOO_LARGE",
  /** A field has a form that no reader would take. */
  FieldInvalid: "COMMITMENT_FIELD_INVALID",
} as const;
export type CommitmentErrorCode = (typeof CommitmentErrorCode)[keyof typeof CommitmentErrorCode];

export class CommitmentError extends AppError<CommitmentErrorCode> {}

/**
 * What a hotkey says on chain. Each commitment replaces the hotkey's one before.
 *
 * Phase 1 carries a signature over a hash that nobody can read yet, phase 2 the hash itself; a group alone announces
 * which expert group a miner trains. Who is a validator is the chain's permit to say, never the payload's.
 */
export interface CommitmentPayload {
  /** `e` */
  readonly group?: ExpertGroup;
  /** `m`: 64 bytes in URL-safe Base64 without padding, over {@link committedHashMessage}. */
  readonly signature?: string;
  /** `h`: 64 hexadecimal digits (SHA-256 of the file) or 48 (the reference's hash over tensors). */
  readonly hash?: string;
  /** `v`: the global model's version that was trained from. */
  readonly version?: ModelVersion;
  /** `s`: a validator's seed for assignment. */
  readonly seed?: number;
  /** `b` */
  readonly block?: BlockNumber;
  /** `i`: steps of the inner optimiser. */
  readonly innerSteps?: number;
  /** `r`: repository `namespace/name` that holds the checkpoint. */
  readonly repository?: string;
  /** `rv`: prefix of the revision in it. */
  readonly revision?: string;
  /** `rr`: the first 24 bytes of the root of a validator's newest bundle of receipts, in URL-safe Base64. */
  readonly receipts?: string;
}

/** Who writes the payload; decides the order of its fields and nothing else. */
export type CommitmentAuthor = "miner" | "validator";

/** Why committed bytes are no payload. The author's fault, so it is a result. */
export type PayloadFault = "too_large" | "not_utf8" | "not_json" | "not_an_object" | "field_invalid";

export type ParsedPayload =
  | { readonly ok: true; readonly value: CommitmentPayload }
  | { readonly ok: false; readonly reason: PayloadFault };

const ALIASES = {
  b: "block",
  e: "group",
  m: "signature",
  h: "hash",
  v: "version",
  i: "innerSteps",
  s: "seed",
  r: "repository",
  rv: "revision",
  rr: "receipts",
} as const satisfies Record<string, keyof CommitmentPayload>;

const FIELD_ORDER: Readonly<Record<CommitmentAuthor, readonly (keyof typeof ALIASES)[]>> = {
  validator: ["m", "h", "v", "e", "s", "r", "rv", "rr"],
  miner: ["b", "e", "m", "h", "v", "i", "r", "rv"],
};

const natural = z.int().nonnegative();
const wireSchema = z.object({
  b: natural.nullish(),
  e: natural.max(65_535).nullish(),
  m: z
    .string()
    .regex(/^[A-Za-z0-9_-]{86}$/)
    .nullish(),
  h: z
    .string()
    .regex(/^([0-9a-f]{48}|[0-9a-f]{64})$/)
    .nullish(),
  v: natural.nullish(),
  i: natural.nullish(),
  s: natural.nullish(),
  r: z
    .string()
    .max(MAX_REPOSITORY_CHARACTERS)
    .regex(/^[\w.-]+\/[\w.-]+$/)
    .nullish(),
  rv: z
    .string()
    .regex(/^[0-9A-Za-z._-]+$/)
    .nullish(),
  rr: z
    .string()
    .regex(/^[A-Za-z0-9_-]{32}$/)
    .nullish(),
});

/**
 * The payload as compact JSON in the published field order; absent fields are left out.
 *
 * @throws CommitmentError `COMMITMENT_TOO_LARGE`, `COMMITMENT_FIELD_INVALID` (also for a field that this author's
 *   layout has no place for): sent anyway it would be refused by the chain or by its readers.
 * @see packages/docs/protocol.md §2.1
 */
export function encodeCommitment(payload: CommitmentPayload, author: CommitmentAuthor): Uint8Array {
  const wire: Record<string, unknown> = {};
  for (const alias of FIELD_ORDER[author]) {
    const value = payload[ALIASES[alias]];
    if (value !== undefined) wire[alias] = value;
  }
  const given = Object.values(payload).filter((value) => value !== undefined).length;
  const checked = wireSchema.safeParse(wire);
  if (!checked.success || given !== Object.keys(wire).length) {
    throw new CommitmentError(CommitmentErrorCode.FieldInvalid, "A field of the commitment is not valid", {
      fields: { author, path: checked.error?.issues[0]?.path.join(".") },
    });
  }
  const bytes = utf8ToBytes(JSON.stringify(wire));
  if (bytes.length > MAX_COMMITMENT_BYTES) {
    throw new CommitmentError(CommitmentErrorCode.TooLarge, "The commitment does not fit on chain", {
      fields: { bytes: bytes.length, limit: MAX_COMMITMENT_BYTES },
    });
  }
  return bytes;
}

/**
 * Reads bytes that a stranger committed. Never throws.
 *
 * Takes what the older writers sent as well: spaces, explicit nulls, unknown keys. One bad field spoils the payload.
 */
export function parseCommitment(bytes: Uint8Array): ParsedPayload {
  if (bytes.length > MAX_COMMITMENT_BYTES) return { ok: false, reason: "too_large" };
  const text = decodeUtf8(bytes);
  if (text === null) return { ok: false, reason: "not_utf8" };
  const json = parseJson(text);
  if (json === undefined) return { ok: false, reason: "not_json" };
  if (typeof json !== "object" || json === null || Array.isArray(json)) return { ok: false, reason: "not_an_object" };
  const wire = wireSchema.safeParse(json);
  if (!wire.success) return { ok: false, reason: "field_invalid" };
  const entries = Object.entries(wire.data).filter(([, value]) => value !== null && value !== undefined);
  return {
    ok: true,
    value: Object.fromEntries(entries.map(([alias, value]) => [ALIASES[alias as keyof typeof ALIASES], value])),
  };
}
