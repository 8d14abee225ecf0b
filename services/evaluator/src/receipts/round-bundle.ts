import type { Bundle } from "@assay/core/receipts/bundle";
import { composeBundle, type SignText } from "@assay/core/receipts/compose-bundle";
import type { RoundId } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { RoundClosing } from "@assay/ledger/receipts";
import type { RecordedFacts } from "./bundle-facts.ts";

/** The bundle of a closed round from what the ledger holds; the same root each time. */
export async function roundBundle(
  roundId: RoundId,
  closing: RoundClosing,
  { header, weights }: RecordedFacts,
  { ledger, sign }: { readonly ledger: Ledger; readonly sign: SignText },
): Promise<Bundle> {
  const [submissions, evaluations, rows] = await Promise.all([
    ledger.submissions.list(roundId),
    ledger.evaluations.list(roundId),
    ledger.scores.rows(roundId),
  ]);
  const { arrived, before, after } = closing;
  // What was recorded after the closing is no part of it.
  const findings = {
    arrived: new Set(arrived),
    submissions: submissions.filter(({ uid }) => closing.submissions.includes(uid)),
    evaluations: [...closing.failures, ...evaluations.filter(({ uid }) => closing.evaluations.includes(uid))],
  };
  return composeBundle({ header, findings, rows, scores: { before, after }, weights }, sign);
}
