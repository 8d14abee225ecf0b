import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import type { Phase } from "@assay/core/cycle/phase";
import type { Hotkey } from "@assay/core/units";
import { Refusal, refuseUntil } from "../refusal.ts";

/** The neuron of the hotkey that a request names. */
export function registeredCaller(hotkey: Hotkey, view: ChainView): ChainViewRosterEntry | Refusal {
  const caller = view.roster.find((entry) => entry.hotkey === hotkey);
  return caller ?? new Refusal(403, "not_registered", "The hotkey has no neuron on this subnet");
}

/** Null when miners may download now; otherwise when they may, or when the next phase begins if that is not known. */
export function checkPhase(view: ChainView, servePhases: readonly Phase[]): Refusal | null {
  if (servePhases.includes(view.phase)) {
    return null;
  }
  const block = servePhases.includes("distribute") ? view.nextDistributeBlock : view.phaseLastBlock + 1;
  const seconds = ((block - view.block) * view.blockMillis) / 1000;
  const detail = `The model is not served in phase ${view.phase}, but from block ${block} on`;
  return refuseUntil(503, "wrong_phase", detail, seconds, { "X-Retry-Block": String(block) });
}
