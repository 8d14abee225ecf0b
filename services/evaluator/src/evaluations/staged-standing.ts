import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Round } from "@assay/core/round/round";
import type { Ledger } from "@assay/ledger/ledger";
import { readReceipts } from "../downloads/receipts.ts";
import type { AcceptedEntry, StagedRound } from "./staged-evaluations.ts";

/** Who takes part in a round's contests, and whether somebody may still join: a submission that is being fetched. */
export async function stagedStanding(
  round: Round,
  { ledger, inbox }: { readonly ledger: Ledger; readonly inbox: Inbox },
): Promise<Pick<StagedRound, "accepted" | "waiting" | "complete">> {
  const submissions = new Map((await ledger.submissions.list(round.id)).map((each) => [each.uid, each]));
  const recorded = new Set((await ledger.evaluations.list(round.id)).map(({ uid }) => uid));
  const { receipts } = await readReceipts(round, inbox);
  const accepted = round.roster.flatMap((entry): readonly AcceptedEntry[] => {
    const submission = submissions.get(entry.uid);
    return submission?.kind === "accepted" ? [{ ...entry, submission }] : [];
  });
  return {
    accepted,
    waiting: new Set(accepted.map(({ uid }) => uid).filter((uid) => !recorded.has(uid))),
    complete: receipts.every(({ uid }) => recorded.has(uid) || (submissions.get(uid)?.kind ?? "none") !== "none"),
  };
}
