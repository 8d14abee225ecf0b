import type { Ledger } from "@assay/ledger/ledger";
import type { MergeEndRecord } from "@assay/ledger/merge-ends";

/** Cycles that count: about a week of 100-minute cycles. */
const CYCLES = 100;

/**
 * Share of the newest cycles in which all members of the merge ended with the same version, we among them; null while
 * there was no cycle in which at least two validators could merge.
 *
 * Who was left out before the averages were agreed is no member. A cycle in which nobody offered anything had nothing to
 * agree on.
 */
export async function agreementRate(ledger: Pick<Ledger, "mergeEnds">, newestCycle: number): Promise<number | null> {
  const ends = (await ledger.mergeEnds.list(newestCycle - CYCLES + 1, newestCycle)).filter(hadToAgree);
  if (ends.length === 0) return null;
  return ends.filter((end) => disagreementCause(end) === null).length / ends.length;
}

/** Why a cycle's merge does not count as agreed; null when it does, or had nothing to agree on. */
export function disagreementCause(end: Omit<MergeEndRecord, "cycle">): string | null {
  if (!hadToAgree(end)) return null;
  if (end.result !== "published") return end.result;
  return end.synced.length === end.members.length ? null : "not_all_synced";
}

function hadToAgree({ expected, result }: Omit<MergeEndRecord, "cycle">): boolean {
  return expected.length > 1 && result !== "nothing_to_merge" && result !== "not_expected";
}
