import { z } from "zod";
import { PHASES, type Phase } from "./cycle/phase.ts";
import { type SessionKey, sessionKeySchema } from "./messages/session-key.ts";
import type { BlockNumber, ExpertGroup, Hotkey, Netuid, Uid } from "./units.ts";

/** One neuron as the process with no key may know it. */
export interface ChainViewRosterEntry {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly role: "miner" | "validator";
  /** Expert group the hotkey announced on chain; null while it never did. */
  readonly group: ExpertGroup | null;
  /** SHA-256 the hotkey committed for this cycle; null while it did not. */
  readonly committedHash: string | null;
}

/**
 * What the process with no key may know of the chain: `state/chain-view.json`.
 *
 * The cycle role replaces the file atomically on every block; the model server reads it and refuses to guess when it
 * is older than its limit.
 */
export interface ChainView {
  readonly schema: 1;
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  readonly cycle: number;
  readonly phase: Phase;
  readonly phaseFirstBlock: BlockNumber;
  readonly phaseLastBlock: BlockNumber;
  /** First block of the next Distribute and Submission phase (the running one, if it is running). */
  readonly nextDistributeBlock: BlockNumber;
  readonly nextSubmissionBlock: BlockNumber;
  /** Time between two blocks, to turn blocks into seconds for `Retry-After`. */
  readonly blockMillis: number;
  /** When the file was written, in milliseconds since 1970. */
  readonly updatedAt: number;
  readonly validatorHotkey: Hotkey;
  /** The model server's key for encrypted sessions; absent while it has none, or it is not signed. */
  readonly sessionKey?: SessionKey | undefined;
  readonly roster: readonly ChainViewRosterEntry[];
}

const rosterEntry = z.strictObject({
  uid: z.int().nonnegative(),
  hotkey: z.string(),
  role: z.enum(["miner", "validator"]),
  group: z.int().nonnegative().nullable(),
  committedHash: z.string().nullable(),
});

/** Reads {@link ChainView} and refuses anything else, unknown keys too. */
export const chainViewSchema: z.ZodType<ChainView> = z.strictObject({
  schema: z.literal(1),
  netuid: z.int().nonnegative(),
  block: z.int().nonnegative(),
  cycle: z.int().nonnegative(),
  phase: z.enum(PHASES),
  phaseFirstBlock: z.int().nonnegative(),
  phaseLastBlock: z.int().nonnegative(),
  nextDistributeBlock: z.int().nonnegative(),
  nextSubmissionBlock: z.int().nonnegative(),
  blockMillis: z.number().positive(),
  updatedAt: z.int().positive(),
  validatorHotkey: z.string(),
  sessionKey: sessionKeySchema.optional(),
  roster: z.array(rosterEntry),
});
