import { z } from "zod";

/**
 * What the model server writes beside (push) or instead of (pull) an accepted submission: `inbox/<round>/<hotkey>.json`.
 *
 * A submission exists from the moment this file does; its bytes, if pushed, were complete before.
 */
export const submissionReceiptSchema = z.strictObject({
  schema: z.literal(1),
  submissionId: z.string(),
  roundId: z.int().nonnegative(),
  uid: z.int().nonnegative(),
  hotkey: z.string(),
  group: z.int().nonnegative(),
  /** Block number the miner signed. */
  signedBlock: z.int().nonnegative(),
  /** Block at which the server took the submission. */
  receivedBlock: z.int().nonnegative(),
  receivedAt: z.int().positive(),
  signature: z.string(),
  source: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("push"),
      /** File name beside the receipt. */
      file: z.string(),
      bytes: z.int().positive(),
      sha256: z.string(),
    }),
    z.strictObject({ kind: z.literal("pull"), url: z.string() }),
  ]),
});
export type SubmissionReceipt = z.infer<typeof submissionReceiptSchema>;
