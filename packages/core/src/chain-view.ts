import { z } from "zod";
import { PHASES } from "./cycle/phase.ts";

const rosterEntry = z.strictObject({
  uid: z.int().nonnegative(),
  hotkey: z.string(),
  role: z.enum(["miner", "validator"]),
  /** Expert group the hotkey announced on chain; null while it never did. */
  group: z.int().nonnegative().nullable(),
  /** SHA-256 the hotkey committed for this cycle; null while it did not. */
  committedHash: z.string().nullable(),
});

/**
 * What the process with no key may know of the chain: `state/chain-view.json`.
 *
 * The cycle role replaces the file atomically on every block; the model server reads it and refuses to guess when it
 * is older than its limit.
 */
export const chainViewSchema = z.strictObject({
  schema: z.literal(1),
  netuid: z.int().nonnegative(),
  block: z.int().nonnegative(),
  cycle: z.int().nonnegative(),
  phase: z.enum(PHASES),
  phaseFirstBlock: z.int().nonnegative(),
  phaseLastBlock: z.int().nonnegative(),
  /** First block of the next Distribute and Submission phase (the running one, if it is running). */
  nextDistributeBlock: z.int().nonnegative(),
  nextSubmissionBlock: z.int().nonnegative(),
  /** Time between two blocks, to turn blocks into seconds for `Retry-After`. */
  blockMillis: z.number().positive(),
  /** When the file was written, in milliseconds since 1970. */
  updatedAt: z.int().positive(),
  validatorHotkey: z.string(),
  roster: z.array(rosterEntry),
});
export type ChainView = z.infer<typeof chainViewSchema>;
export type ChainViewRosterEntry = ChainView["roster"][number];
