import { publicKeyOf, verifySignature } from "@assay/chain/verify-signature";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage, uploadMessage } from "@assay/core/messages/block-message";
import { hasControlCharacter } from "@assay/core/messages/fields";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { RejectionReason } from "@assay/core/scoring/outcome";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Hotkey } from "@assay/core/units";

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
export function receiptFault(
  round: Round,
  entry: RosterEntry,
  receipt: SubmissionReceipt,
  validatorHotkey: Hotkey | null,
): ReceiptFault | null {
  if (entry.commitment === null) return fault("not_committed", "no commitment in both commit phases");
  if (receipt.group !== entry.group) return fault("wrong_group", `signed for group ${receipt.group}`);
  if (receipt.signedBlock < round.submissionFirst || receipt.signedBlock > round.submissionLast) {
    return fault("block_window", `signed block ${receipt.signedBlock}`);
  }
  const { source, signature } = receipt;
  if (source.kind === "pull" && hasControlCharacter(source.url)) return fault("url_refused", "a control character");
  const message = signedBytes(receipt, entry.hotkey, validatorHotkey);
  if (message === null || !signedBy(entry.hotkey, signature, message)) {
    return fault("signature_invalid", "the submission's signature is not the hotkey's");
  }
  if (!signedBy(entry.hotkey, entry.commitment.signature, committedHashMessage(entry.commitment.hash))) {
    return fault("signature_invalid", "the committed signature does not cover the committed hash");
  }
  return null;
}

/** Null when nothing could have been signed: an upload message has a file's digest and is sent to a validator. */
function signedBytes(
  { source, group, signedBlock, signedForm }: SubmissionReceipt,
  hotkey: Hotkey,
  validatorHotkey: Hotkey | null,
): Uint8Array | null {
  if (signedForm === undefined) {
    const location = source.kind === "push" ? pushLocation(source.sha256) : source.url;
    return submitMessageBytes({ hotkey, expertGroup: group, location, blockNumber: signedBlock });
  }
  const target = validatorHotkey === null ? null : publicKeyOf(validatorHotkey);
  const isUpload = source.kind === "push" && /^[0-9a-f]{64}$/.test(source.sha256);
  return target !== null && isUpload ? uploadMessage(Buffer.from(source.sha256, "hex"), target, signedBlock) : null;
}

function signedBy(hotkey: string, signature: string, message: Uint8Array): boolean {
  const bytes = decodeBase64Url(signature);
  return bytes !== null && verifySignature(message, bytes, hotkey);
}

function fault(reason: RejectionReason, detail: string): ReceiptFault {
  return { reason, detail };
}
