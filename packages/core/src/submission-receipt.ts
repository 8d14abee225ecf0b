import { z } from "zod";
import type { BlockNumber, ExpertGroup, Hotkey, RoundId, Sha256Hex, Uid } from "./units.ts";

/** How the bytes came or will come: uploaded beside the receipt, or to be fetched. */
export type SubmissionSource =
  | {
      readonly kind: "push";
      /** File name beside the receipt. */
      readonly file: string;
      readonly bytes: number;
      readonly sha256: Sha256Hex;
    }
  | { readonly kind: "pull"; readonly url: string };

/**
 * What the model server writes beside (push) or instead of (pull) an accepted submission: `inbox/<round>/<hotkey>.json`.
 *
 * A submission exists from the moment this file does; its bytes, if pushed, were complete before.
 */
export interface SubmissionReceipt {
  readonly schema: 1;
  readonly submissionId: string;
  readonly roundId: RoundId;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  /** Block number the miner signed. */
  readonly signedBlock: BlockNumber;
  /** Block at which the server took the submission. */
  readonly receivedBlock: BlockNumber;
  readonly receivedAt: number;
  readonly signature: string;
  /** What the signature covers: the older miners' upload message to this validator; the submit message when absent. */
  readonly signedForm?: "upload" | undefined;
  readonly source: SubmissionSource;
}

/** Reads {@link SubmissionReceipt} and refuses anything else, unknown keys too. */
export const submissionReceiptSchema: z.ZodType<SubmissionReceipt> = z.strictObject({
  schema: z.literal(1),
  submissionId: z.string(),
  roundId: z.int().nonnegative(),
  uid: z.int().nonnegative(),
  hotkey: z.string(),
  group: z.int().nonnegative(),
  signedBlock: z.int().nonnegative(),
  receivedBlock: z.int().nonnegative(),
  receivedAt: z.int().positive(),
  signature: z.string(),
  signedForm: z.literal("upload").optional(),
  source: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("push"),
      file: z.string(),
      bytes: z.int().positive(),
      sha256: z.string(),
    }),
    z.strictObject({ kind: z.literal("pull"), url: z.string() }),
  ]),
});
