import type { WeightMemory } from "@assay/core/weights/plan-weights";
import type { Ledger } from "./ledger.ts";

/** What a validator remembers that its next weights follow from. */
export async function readWeightMemory(ledger: Ledger): Promise<WeightMemory> {
  const book = await ledger.scores.book();
  const verified = await ledger.intents.latestVerified();
  return {
    standings: book.map(({ uid, hotkey, ema }) => ({ uid, hotkey, value: ema })),
    // An older release noted no hotkeys, and without them nobody's slot is known.
    last: verified === null || verified.hotkeys.length === 0 ? null : verified,
    earnedUntil: await ledger.scores.earnedUntil(),
  };
}
