import type { PhaseWindow } from "../cycle/phase.ts";
import type { ChainCommitment } from "../round/snapshot.ts";
import type { BlockNumber, ExpertGroup, Hotkey, ModelVersion } from "../units.ts";
import { type CommitmentPayload, parseCommitment } from "./payload.ts";

/** A hash bound to its hotkey before anybody could read it. */
export interface TwoPhaseCommitment {
  readonly hotkey: Hotkey;
  /** 64 or 48 lower-case hexadecimal digits. */
  readonly hash: string;
  /** Over the hash's hexadecimal text; not verified here. */
  readonly signature: string;
  /** Block in which the signature was committed: from then on the hotkey was bound to this hash. */
  readonly block: BlockNumber;
  /** What the hash's payload names; null if it does not. */
  readonly version: ModelVersion | null;
  readonly group: ExpertGroup | null;
}

/** Both readings of the chain, each as of its own phase's end. */
export interface TwoPhaseReadings {
  /** All commitments at the end of the first phase, which hold the signatures. */
  readonly signatures: readonly ChainCommitment[];
  /** All commitments at the end of the second phase, which hold the hashes. */
  readonly hashes: readonly ChainCommitment[];
  /** Blocks in which each must have been made; what lies outside is an earlier cycle's or too late. */
  readonly signatureWindow: PhaseWindow;
  readonly hashWindow: PhaseWindow;
}

/**
 * Joins signatures and hashes by hotkey. Who lacks either, or made it outside its phase, is not in the result.
 *
 * Two readings are needed because the second commitment replaces the first on chain.
 *
 * @see packages/docs/protocol.md §2.2
 */
export function joinTwoPhases(readings: TwoPhaseReadings): ReadonlyMap<Hotkey, TwoPhaseCommitment> {
  const signatures = commitmentsWithin(readings.signatures, readings.signatureWindow);
  const hashes = commitmentsWithin(readings.hashes, readings.hashWindow);
  const joined = new Map<Hotkey, TwoPhaseCommitment>();
  for (const [hotkey, { payload }] of hashes) {
    const { hash, version = null, group = null } = payload;
    const first = signatures.get(hotkey);
    if (hash === undefined || first?.payload.signature === undefined) continue;
    joined.set(hotkey, { hotkey, hash, signature: first.payload.signature, block: first.block, version, group });
  }
  return joined;
}

/** The expert group that each hotkey names in its commitment, whatever else that holds and whenever it was made. */
export function announcedGroups(commitments: readonly ChainCommitment[]): ReadonlyMap<Hotkey, ExpertGroup> {
  const groups = new Map<Hotkey, ExpertGroup>();
  for (const { hotkey, bytes } of commitments) {
    const parsed = parseCommitment(bytes);
    if (parsed.ok && parsed.value.group !== undefined) groups.set(hotkey, parsed.value.group);
  }
  return groups;
}

interface ParsedCommitment {
  readonly block: BlockNumber;
  readonly payload: CommitmentPayload;
}

function commitmentsWithin(
  commitments: readonly ChainCommitment[],
  { firstBlock, lastBlock }: PhaseWindow,
): ReadonlyMap<Hotkey, ParsedCommitment> {
  const within = new Map<Hotkey, ParsedCommitment>();
  for (const { hotkey, block, bytes } of commitments) {
    const parsed = parseCommitment(bytes);
    if (parsed.ok && block >= firstBlock && block <= lastBlock) within.set(hotkey, { block, payload: parsed.value });
  }
  return within;
}
