import { isSystemError } from "@assay/checkpoint/atomic-write";
import type { EarlyFault } from "@assay/checkpoint/inbox/early-inspection";
import { Refusal } from "../refusal.ts";

/** The refusal of a body longer than the limit. */
export function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, "too_large", `A submission of this group has at most ${maxBytes} bytes`);
}

/** The refusal of a body that is not, or cannot be, a file of the group's tensors. */
export function cannotBecomeSubmission({ reason, detail }: EarlyFault): Refusal {
  return new Refusal(422, reason, detail);
}

/** The refusal of bytes that the inbox's volume has no room for; a pull needs none of it. */
export function inboxFull(): Refusal {
  const detail = "The server has no room for the bytes now: try again, or submit a URL that they can be fetched from";
  return new Refusal(507, "inbox_full", detail, { "Retry-After": "60" });
}

/** Whether writing failed because no more may be written: a full volume, a quota, the process's limit on files. */
export function isOutOfRoom(error: unknown): boolean {
  return isSystemError(error, "ENOSPC", "EDQUOT", "EFBIG");
}
