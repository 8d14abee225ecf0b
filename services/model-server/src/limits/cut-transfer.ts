import type { Response } from "express";

/** Why the server cut a transfer: the client read too slowly; it took longer than any may; the server is stopping. */
export type CutReason = "too_slow" | "too_long" | "stopping";

/** Cuts a reply that is under way. The client sees a body that is too short, and may go on with `Range`. */
export function cutTransfer(response: Response, reason: CutReason): void {
  reasons.set(response, reason);
  response.destroy();
}

/** Why the server cut this reply; undefined when it did not. */
export function cutReasonOf(response: Response): CutReason | undefined {
  return reasons.get(response);
}

const reasons = new WeakMap<Response, CutReason>();
