import type { CheckpointError } from "@assay/checkpoint/checkpoint-error";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Round } from "@assay/core/round/round";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";

/** What lies in the inbox for a round. */
export interface Receipts {
  /** Receipts of miners on the roster, one each at most, ordered by hotkey. */
  readonly receipts: readonly SubmissionReceipt[];
  /** UIDs on the roster from which a submission arrived, also those whose receipt does not parse. */
  readonly arrived: ReadonlySet<number>;
  readonly unreadable: readonly CheckpointError[];
}

/**
 * Reads a round's receipts.
 *
 * One that does not parse is our failure and must neither stop the others nor count as silence of its miner.
 */
export async function readReceipts(round: Round, inbox: Inbox): Promise<Receipts> {
  const unreadable: CheckpointError[] = [];
  const listed = await inbox.list(round.id, (error) => unreadable.push(error));
  const hotkeys = new Map(round.roster.map((entry) => [entry.uid, entry.hotkey]));
  const receipts = listed.filter(({ uid, hotkey }) => hotkeys.get(uid) === hotkey);
  const spoilt = new Set(unreadable.map(({ fields: { path } }) => path));
  const arrived = new Set(receipts.map(({ uid }) => uid));
  for (const { uid, hotkey } of round.roster) {
    if (spoilt.has(inbox.receiptPath(round.id, hotkey))) arrived.add(uid);
  }
  return { receipts, arrived, unreadable };
}
