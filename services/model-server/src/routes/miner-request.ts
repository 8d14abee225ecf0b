import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import type { Phase } from "@assay/core/cycle/phase";
import type { Request } from "express";
import { Refusal, refuseUntil } from "../refusal.ts";

/** The neuron that a request's `X-Hotkey` names. */
export function registeredCaller(request: Request, view: ChainView): ChainViewRosterEntry | Refusal {
  const hotkey = request.get("x-hotkey");
  if (hotkey === undefined) {
    return new Refusal(400, "header_invalid", "X-Hotkey is required");
  }
  const caller = view.roster.find((entry) => entry.hotkey === hotkey);
  return caller ?? new Refusal(403, "not_registered", "The hotkey has no neuron on this subnet");
}

/** Null when miners may download now; otherwise when they may. */
export function checkPhase(view: ChainView, servePhases: readonly Phase[]): Refusal | null {
  if (servePhases.includes(view.phase)) {
    return null;
  }
  const block = view.nextDistributeBlock;
  const seconds = ((block - view.block) * view.blockMillis) / 1000;
  const detail = `The model is not served in phase ${view.phase}, but from block ${block} on`;
  return refuseUntil(503, "wrong_phase", detail, seconds, { "X-Retry-Block": String(block) });
}
