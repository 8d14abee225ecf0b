import type { Ledger } from "@assay/ledger/ledger";

/** Step that marks a cycle whose merge failed: a value was not finite, or it was given up. */
export const NOT_AGREED_STEP = "merge-not-agreed";

/** Cycles that count: about a week of 100-minute cycles. */
const CYCLES = 100;

/**
 * Share of the newest merged cycles in which all members agreed; null while none was merged.
 *
 * As long as we are the only member, a merge that we published is agreed, and one that was given up or left out because
 * of a value that is not finite is not. A cycle in which nobody improved the model had nothing to agree on.
 */
export async function agreementRate(
  ledger: Pick<Ledger, "merges" | "steps">,
  newestCycle: number,
): Promise<number | null> {
  let agreed = 0;
  let failed = 0;
  for (let cycle = newestCycle; cycle >= 0 && cycle > newestCycle - CYCLES; cycle -= 1) {
    if ((await ledger.merges.get(cycle)) !== null) agreed += 1;
    else if (await ledger.steps.done(cycle, NOT_AGREED_STEP)) failed += 1;
  }
  return agreed + failed === 0 ? null : agreed / (agreed + failed);
}
