import { blockNumberValue, expertGroupValue, hotkeyText, nonceText, signatureText } from "@assay/core/messages/fields";
import { sessionKeyText } from "@assay/core/messages/session-key";
import { z } from "zod";

/** A header's text as the decimal number that it must be. */
function decimal(value: z.ZodNumber) {
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, "not a decimal number")
    .transform(Number)
    .pipe(value);
}

const hotkey = hotkeyText.describe("The caller's hotkey, an ss58 address.");
const expertGroup = decimal(expertGroupValue).describe("The expert group that the hotkey announced on chain.");
const digest = /^sha256:[0-9a-f]{64}$/;

export const minerHeaders = z.object({ "x-hotkey": hotkey });

export const partialHeaders = z.object({
  "x-hotkey": hotkey,
  "x-expert-group": expertGroup.optional().describe("The caller's expert group. Required for `part=group`."),
});

export const partialQuery = z.object({
  part: z
    .enum(["group", "shared", "config", "context"])
    .default("group")
    .describe("`context`, the whole model, is not offered everywhere."),
  format: z
    .enum(["raw", "framed"])
    .default("raw")
    .describe("`framed`: u32 big-endian length, JSON with the metadata, file, in one body without ranges."),
});

export const chunkParams = z.object({
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "not a SHA-256")
    .describe("SHA-256 of the chunk's bytes."),
});

export const receiptParams = z.object({
  cycle: z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, "not a cycle")
    .describe("Number of the cycle."),
});

export const exportParams = z.object({
  year: z.string().regex(/^\d{4}$/, "not four digits"),
  month: z.string().regex(/^\d{2}$/, "not two digits"),
  day: z.string().regex(/^\d{2}$/, "not two digits"),
  hour: z
    .string()
    .regex(/^\d{2}\.csv$/, "not two digits and .csv")
    .describe("Hour of UTC and `.csv`."),
});

export const explainParams = z.object({ hotkey: hotkeyText.describe("The miner's, an ss58 address.") });

const cycle = decimal(z.int().nonnegative()).describe("The cycle that is merged.");

export const mergeParams = z.object({ cycle });

export const mergeChunkParams = chunkParams.extend({ cycle });

/** What signs a request without body: the caller is the hotkey, and the request is asked for once. */
export const signedHeaders = z.object({
  "x-hotkey": hotkey,
  "x-block": decimal(blockNumberValue).describe("The block at which the request was signed."),
  "x-nonce": nonceText.describe("Text that this hotkey signs once."),
  "x-target": hotkeyText.optional().describe("The validator that alone may take the request; part of what is signed."),
  "x-signature": signatureText.describe("The hotkey's signature over the request, URL-safe Base64."),
});

/** What stands for a signature for a while. */
export const mergeTicketHeaders = z.object({
  "x-hotkey": z.string().optional().describe("The caller's hotkey."),
  "x-merge-ticket": z
    .string()
    .optional()
    .describe("The ticket of an earlier signed request of the hotkey: while it is good, no other header has to sign."),
});

export const targetHeaders = z.object({
  "x-target": z.string().optional().describe("The validator that the submission is meant for; refused by any other."),
});

export const sessionHeaders = z.object({
  upgrade: z.string().optional().describe("`assay-session` begins a session; without it the reply is the key."),
  "x-session-key": sessionKeyText
    .optional()
    .describe("With `Upgrade`: an X25519 key that the client made for this session alone, URL-safe Base64."),
});

/** What a push says of its bytes. */
export const pushHeaders = z.object({
  "x-hotkey": hotkey,
  "x-expert-group": expertGroup,
  "x-block-number": decimal(blockNumberValue).describe("The block at which the submission was signed."),
  "x-content-hash": z.string().regex(digest, "not sha256: and 64 lower-case digits").describe("Of the body's bytes."),
  "x-signature": signatureText.describe("The hotkey's signature over the submission, URL-safe Base64."),
});

/** RFC 9110's conditions and ranges, which are never malformed: what is not understood counts as absent. */
export const conditionHeaders = z.object({
  range: z.string().optional().describe("One range of bytes."),
  "if-range": z.string().optional(),
  "if-match": z.string().optional(),
  "if-none-match": z.string().optional(),
});
