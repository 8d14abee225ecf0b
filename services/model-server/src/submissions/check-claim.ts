import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import { isSignedBy } from "../auth/hotkey-signature.ts";
import { Refusal, refuseUntil } from "../refusal.ts";
import { claimBytes, type SubmissionClaim } from "./claim.ts";

/** Blocks that a miner's node may be ahead of ours. */
const MAX_BLOCKS_AHEAD = 2;

/** The roster entry of the miner that may make this claim now, or the first reason why not. */
export function checkClaim(claim: SubmissionClaim, view: ChainView): ChainViewRosterEntry | Refusal {
  if (!isSignedBy(claim.hotkey, claim.signature, claimBytes(claim, view.validatorHotkey))) {
    return new Refusal(403, "signature_invalid", "The signature is not the hotkey's over this submission");
  }
  const entry = view.roster.find(({ hotkey }) => hotkey === claim.hotkey);
  if (entry === undefined) {
    return new Refusal(403, "not_registered", "The hotkey has no neuron on this subnet");
  }
  if (entry.group !== claim.group) {
    const own = entry.group ?? "none";
    return new Refusal(403, "group_mismatch", `The hotkey's group on chain is ${own}, not ${claim.group}`);
  }
  return checkPhase(view) ?? checkWindow(claim, view) ?? checkCommitment(entry) ?? entry;
}

/** Why nothing is accepted in this phase; null during Submission. */
export function checkPhase(view: ChainView): Refusal | null {
  if (view.phase === "submission") {
    return null;
  }
  const seconds = ((view.nextSubmissionBlock - view.block) * view.blockMillis) / 1000;
  const detail = `Submissions are not taken in phase ${view.phase}, but from block ${view.nextSubmissionBlock} on`;
  return refuseUntil(409, "wrong_phase", detail, seconds, { "X-Retry-Block": String(view.nextSubmissionBlock) });
}

function checkWindow({ signedBlock }: SubmissionClaim, view: ChainView): Refusal | null {
  const last = Math.min(view.phaseLastBlock, view.block + MAX_BLOCKS_AHEAD);
  if (signedBlock >= view.phaseFirstBlock && signedBlock <= last) {
    return null;
  }
  return new Refusal(400, "block_window", `Block ${signedBlock} is not between ${view.phaseFirstBlock} and ${last}`);
}

function checkCommitment({ committedHash }: ChainViewRosterEntry): Refusal | null {
  return committedHash === null
    ? new Refusal(400, "not_committed", "The hotkey committed no hash on chain in this cycle")
    : null;
}
