import { verifySignature } from "@assay/chain/verify-signature";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import { hasControlCharacter } from "@assay/core/messages/fields";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { RejectionReason } from "@assay/core/scoring/outcome";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";

/** A receipt that must not be measured, and why. */
export interface ReceiptFault {
  readonly reason: RejectionReason;
  readonly detail: string;
}

/**
 * Whether a receipt from the public edge may be measured at all; null when it may.
 *
 * The edge has checked most of this already. It faces the internet, so nothing it wrote is taken on trust here.
 */
export function receiptFault(round: Round, entry: RosterEntry, receipt: SubmissionReceipt): ReceiptFault | null {
  if (entry.commitment === null) return fault("not_committed", "no commitment in both commit phases");
  if (receipt.group !== entry.group) return fault("wrong_group", `signed for group ${receipt.group}`);
  if (receipt.signedBlock < round.submissionFirst || receipt.signedBlock > round.submissionLast) {
    return fault("block_window", `signed block ${receipt.signedBlock}`);
  }
  const { source, group, signedBlock, signature } = receipt;
  const location = source.kind === "push" ? pushLocation(source.sha256) : source.url;
  if (hasControlCharacter(location)) return fault("url_refused", "a control character");
  const message = submitMessageBytes({ hotkey: entry.hotkey, expertGroup: group, location, blockNumber: signedBlock });
  if (!signedBy(entry.hotkey, signature, message)) {
    return fault("signature_invalid", "the submission's signature is not the hotkey's");
  }
  if (!signedBy(entry.hotkey, entry.commitment.signature, committedHashMessage(entry.commitment.hash))) {
    return fault("signature_invalid", "the committed signature does not cover the committed hash");
  }
  return null;
}

function signedBy(hotkey: string, signature: string, message: Uint8Array): boolean {
  const bytes = decodeBase64Url(signature);
  return bytes !== null && verifySignature(message, bytes, hotkey);
}

function fault(reason: RejectionReason, detail: string): ReceiptFault {
  return { reason, detail };
}
