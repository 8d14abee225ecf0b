import { z } from "zod";
import type { BlockNumber, ExpertGroup, Hotkey, Sha256Hex } from "../units.ts";
import { blockNumberValue, expertGroupValue, hotkeyText, signatureText } from "./fields.ts";

/** What both forms of the older miners say. */
interface LegacyForm {
  readonly target_hotkey_ss58: Hotkey;
  readonly origin_hotkey_ss58: Hotkey;
  readonly origin_block: BlockNumber;
  readonly signature: string;
}

/** The form of `GET /get-checkpoint`. Its signature covers `blockMessage` of the target, and so not the group. */
export interface LegacyDownloadForm extends LegacyForm {
  /** Absent for the whole model. */
  readonly expert_group_id?: ExpertGroup | "shared" | undefined;
}

/** The form of `POST /submit-checkpoint`, but for its file. Its signature covers `uploadMessage`. */
export interface LegacyUploadForm extends LegacyForm {
  /** SHA-256 of the file. */
  readonly model_hex: Sha256Hex;
  /** `blockMessage` of target and block. */
  readonly block_hex: string;
}

const decimalText = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/, "not a decimal number")
  .transform(Number);

const legacyForm = {
  target_hotkey_ss58: hotkeyText,
  origin_hotkey_ss58: hotkeyText,
  origin_block: decimalText.pipe(blockNumberValue),
  signature: signatureText,
};

/** Reads {@link LegacyDownloadForm} from the texts of a form; other fields are passed over, as the older servers did. */
export const legacyDownloadForm: z.ZodType<LegacyDownloadForm> = z.object({
  ...legacyForm,
  expert_group_id: z.union([z.literal("shared"), decimalText.pipe(expertGroupValue)]).optional(),
});

/** Reads {@link LegacyUploadForm} likewise. Hexadecimal digits in lower case, as the older miners write them. */
export const legacyUploadForm: z.ZodType<LegacyUploadForm> = z.object({
  ...legacyForm,
  model_hex: z.string().regex(/^[0-9a-f]{64}$/, "not the SHA-256 of the file"),
  block_hex: z.string().regex(/^[0-9a-f]{80}$/, "not a block message"),
});
