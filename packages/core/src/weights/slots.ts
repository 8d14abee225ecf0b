import type { Hotkey, Uid } from "../units.ts";

/** Who holds which slot. */
export type SlotHolders = readonly { readonly uid: Uid; readonly hotkey: Hotkey }[];

/** What a hotkey is to be paid by, and the slot it had when that was found. */
export interface Claim {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly value: number;
}

/** A claim that is not paid. */
export interface LeftOut extends Claim {
  /**
   * `deregistered`: the hotkey has no slot. `older_slot`: it has another one, and a claim of its own there. `no_weight`:
   * its value is not above 0, or too small beside the largest, or the rule of this plan pays others.
   */
  readonly reason: "deregistered" | "older_slot" | "no_weight";
}

/** Claims by the slot that their hotkey has now, and who has none. */
export interface ResolvedClaims {
  readonly bySlot: ReadonlyMap<Uid, Claim>;
  readonly gone: readonly LeftOut[];
}

/**
 * Finds each hotkey's slot at one block. A claim belongs to the hotkey and follows it; whoever has its old slot inherits
 * nothing. Of several claims of one hotkey that of its present slot counts, else the last.
 *
 * The share of those without a slot is nobody's in particular: what is left is scaled to a whole, so it goes to the
 * others in proportion.
 */
export function resolveSlots(claims: Iterable<Claim>, holders: SlotHolders): ResolvedClaims {
  const slots = new Map(holders.map(({ uid, hotkey }) => [hotkey, uid]));
  const bySlot = new Map<Uid, Claim>();
  const gone: LeftOut[] = [];
  for (const claim of claims) {
    const slot = slots.get(claim.hotkey);
    if (slot === undefined) {
      gone.push({ ...claim, reason: "deregistered" });
      continue;
    }
    const rival = bySlot.get(slot);
    const isOlder = rival?.uid === slot;
    const older = isOlder ? claim : rival;
    if (older !== undefined) gone.push({ ...older, reason: "older_slot" });
    if (!isOlder) bySlot.set(slot, claim);
  }
  return { bySlot, gone };
}

/** Weights that were planned, and who had each slot then. */
export interface HeldWeights {
  readonly uids: readonly Uid[];
  readonly weights: readonly number[];
  readonly hotkeys: readonly Hotkey[];
}

/** A slot that is no longer the hotkey's that weights were meant for. */
export interface ChangedOwner {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  /** Who has it now; null when nobody has. */
  readonly holder: Hotkey | null;
}

/**
 * Slots of planned weights that changed hands since; none where nobody noted the hotkeys. With any of them the weights
 * must not be sent: the chain knows slots only and would pay the newcomer.
 */
export function changedOwners(
  { uids, hotkeys }: Pick<HeldWeights, "uids" | "hotkeys">,
  holders: SlotHolders,
): readonly ChangedOwner[] {
  const held = new Map(holders.map(({ uid, hotkey }) => [uid, hotkey]));
  return hotkeys
    .map((hotkey, index) => ({ uid: uids[index] ?? -1, hotkey, holder: held.get(uids[index] ?? -1) ?? null }))
    .filter(({ hotkey, holder }) => hotkey !== holder);
}
