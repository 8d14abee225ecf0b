import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import type { BlockNumber, ExpertGroup, Hotkey, Sha256Hex } from "../units.ts";
import { blockNumberValue, expertGroupValue, hasControlCharacter, hotkeyText, signatureText } from "./fields.ts";

/** What a miner signs when it submits. */
export interface SubmitMessage {
  readonly hotkey: Hotkey;
  readonly expertGroup: ExpertGroup;
  /** The checkpoint's URL (pull) or {@link pushLocation} of the uploaded bytes (push). */
  readonly location: string;
  readonly blockNumber: BlockNumber;
}

const MAX_URL_CHARACTERS = 2048;

const checkpointUrl = z
  .string()
  .max(MAX_URL_CHARACTERS)
  .refine((url) => !hasControlCharacter(url), "holds a control character")
  .refine(isHttpUrl, "not an http or https URL without credentials");

/** The JSON body of `POST /submit`, in the published names. */
export interface SubmitMessageBody {
  readonly hotkey: Hotkey;
  readonly expert_group: ExpertGroup;
  readonly checkpoint_url: string;
  readonly block_number: BlockNumber;
  /** URL-safe Base64 over {@link submitMessageBytes}. */
  readonly signature: string;
}

/** Reads {@link SubmitMessageBody}. Unknown keys are refused: nothing unsigned may ride along. */
export const submitMessageSchema: z.ZodType<SubmitMessageBody> = z.strictObject({
  hotkey: hotkeyText,
  expert_group: expertGroupValue,
  checkpoint_url: checkpointUrl,
  block_number: blockNumberValue,
  signature: signatureText,
});

/**
 * The bytes a submission's signature covers: five lines of UTF-8, the first naming the format.
 *
 * @throws RangeError if a text holds a control character, which could shift fields between lines. Check strangers'
 *   values with {@link submitMessageSchema} first.
 */
export function submitMessageBytes(message: SubmitMessage): Uint8Array {
  const { hotkey, expertGroup, location, blockNumber } = message;
  if (hasControlCharacter(hotkey) || hasControlCharacter(location)) {
    throw new RangeError("A submit message holds a control character");
  }
  return utf8ToBytes(`bz-submit-v1\n${hotkey}\n${expertGroup}\n${location}\n${blockNumber}`);
}

/** The location a miner signs when it uploads the file itself: its digest stands in for the URL. */
export function pushLocation(sha256: Sha256Hex): string {
  return `sha256:${sha256}`;
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === "http:" || protocol === "https:") && username === "" && password === "";
}
