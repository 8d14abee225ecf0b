import { blockNumberValue, expertGroupValue, hotkeyText } from "@assay/core/messages/fields";
import { sessionKeySchema, sessionKeyText } from "@assay/core/messages/session-key";
import { z } from "zod";
import type { Reply, ReplyHeader } from "./declaration.ts";

/** Why nobody can be served. */
const reasons = z
  .array(z.enum(["shutting_down", "chain_view_missing", "chain_view_invalid", "chain_view_stale", "model_unavailable"]))
  .describe("What stands in the way, as stable words.");

export const healthBody = z.strictObject({
  status: z.enum(["healthy", "degraded"]),
  model_loaded: z.boolean(),
  current_block: blockNumberValue.nullable(),
  phase: z.string().nullable().describe("In lower case."),
  reasons: reasons.optional(),
});
export type HealthBody = z.output<typeof healthBody>;

export const liveBody = z.strictObject({ status: z.literal("alive") });
export type LiveBody = z.output<typeof liveBody>;

export const readinessBody = z.strictObject({ status: z.enum(["ready", "not_ready"]), reasons });
export type ReadinessBody = z.output<typeof readinessBody>;

/** The metadata that goes with every part of the model, in the published names. */
export const modelMetaBody = z.strictObject({
  expert_group: expertGroupValue.nullable().optional().describe("Null for a part that is not one group's."),
  block_number: blockNumberValue.describe("Block at which the part was served."),
  model_version: z.string(),
  content_hash: z.string().nullable().describe("Of the part's bytes alone; null for a file without a digest."),
});
export type ModelMeta = z.output<typeof modelMetaBody>;

export const submissionBody = z.strictObject({
  status: z.literal("accepted"),
  hotkey: hotkeyText,
  expert_group: expertGroupValue,
  block_number: blockNumberValue.describe("The signed one."),
  submission_id: z.string(),
});
export type SubmissionBody = z.output<typeof submissionBody>;

export const pongBody = z.strictObject({ status: z.literal("ok") });
export type PongBody = z.output<typeof pongBody>;

/** How older miners learn that their submission stands. */
export const checkpointBody = z.strictObject({
  status: z.literal("ok"),
  stored_path: z.string().describe("Within the inbox."),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type CheckpointBody = z.output<typeof checkpointBody>;

export const noStore = {
  "Cache-Control": { description: "Always `no-store`.", schema: z.literal("no-store"), always: true },
} satisfies Reply["headers"];

export const sessionHandshakeHeaders = {
  ...noStore,
  Upgrade: { description: "`assay-session`.", schema: z.literal("assay-session"), always: true },
  "X-Session-Key": {
    description: "An X25519 key that the server made for this session alone, URL-safe Base64.",
    schema: sessionKeyText,
    always: true,
  },
  "X-Session-Signed-Key": { description: "As the reply without `Upgrade`.", schema: sessionKeySchema, always: true },
} satisfies Reply["headers"];

/** Of what is the same for everybody. */
export const publicHeaders = {
  "Cache-Control": { description: "For everybody, for an hour.", schema: z.string(), always: true },
} satisfies Reply["headers"];

export const csvReply: Record<number, Reply> = {
  200: {
    description: "RFC 4180, the first line with the names.",
    headers: noStore,
    content: { "text/csv": "text" },
  },
};

export const pageHeaders = {
  ...publicHeaders,
  "Content-Security-Policy": { description: "Nothing is loaded, nothing runs.", schema: z.string(), always: true },
  "X-Content-Type-Options": { description: "`nosniff`.", schema: z.literal("nosniff"), always: true },
  "Referrer-Policy": { description: "`no-referrer`.", schema: z.literal("no-referrer"), always: true },
} satisfies Reply["headers"];

const etag: ReplyHeader = { description: "SHA-256 of the whole file.", schema: z.string() };
const cacheControl: ReplyHeader = { description: "For the caller alone.", schema: z.string(), always: true };
const acceptRanges: ReplyHeader = { description: "`none` for a framed body.", schema: z.enum(["bytes", "none"]) };
const fileHeaders = {
  ETag: etag,
  "Cache-Control": cacheControl,
  "Accept-Ranges": { ...acceptRanges, always: true },
  "X-Content-Hash": { description: "`sha256:` and the digest of the whole file.", schema: z.string() },
  "X-Model-Meta": {
    description: "What the bytes are; a chunk's mean the same in every version.",
    schema: modelMetaBody,
  },
} satisfies Reply["headers"];
const contentRange: ReplyHeader = { description: "Where the bytes lie.", schema: z.string(), always: true };

/** Where an object store sends the file (`offload.kind`). */
export const elsewhereReply: Record<number, Reply> = {
  307: {
    description: "An object store has the file: a URL that holds for some minutes.",
    headers: {
      Location: { description: "Without the token or a signature of ours.", schema: z.string(), always: true },
      "Cache-Control": { description: "The URL is not to be kept.", schema: z.string(), always: true },
      "X-Content-Hash": fileHeaders["X-Content-Hash"],
      "X-Model-Meta": fileHeaders["X-Model-Meta"],
    },
  },
};

export const olderMinersHeaders = {
  "Content-Disposition": {
    description: "A name for the file, with the model's version.",
    schema: z.string(),
    always: true,
  },
  "X-Accel-Buffering": { description: "`no`.", schema: z.literal("no"), always: true },
} satisfies Reply["headers"];

export const mergeTicketReply = {
  "X-Merge-Ticket": {
    description: "For some minutes in place of signatures of this hotkey, with `X-Hotkey`.",
    schema: z.string(),
    always: true,
  },
} satisfies Reply["headers"];

/** How a file is answered: whole, not modified, or one range of it. */
export function fileReplies(
  description: string,
  content: NonNullable<Reply["content"]>,
  moreHeaders: NonNullable<Reply["headers"]> = {},
): Record<number, Reply> {
  const headers = { ...fileHeaders, ...moreHeaders };
  return {
    200: { description, headers, content },
    206: {
      description: "The range that was asked for.",
      headers: { ...headers, "Content-Range": contentRange },
      content,
    },
    304: { description: "What `If-None-Match` names is still the file.", headers },
  };
}
