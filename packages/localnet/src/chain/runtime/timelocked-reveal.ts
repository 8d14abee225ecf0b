import { hexToU8a } from "@assay/chain/polkadot/library";
import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import { openTimelock } from "@assay/chain/timelock/timelock";
import { decodeWeightPayload } from "@assay/chain/timelock/weight-payload";
import type { BlockNumber, Hotkey, Netuid } from "@assay/core/units";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import { PalletStorage } from "../state/pallet-storage.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import { StateOverlay } from "../state/state-overlay.ts";
import { pulseSignature } from "./beacon-pulses.ts";
import { type CallContext, DispatchFailure } from "./call.ts";
import { storageOf } from "./dispatch.ts";
import { storeWeights } from "./set-weights.ts";

export interface RevealScope {
  readonly codec: RuntimeCodec;
  readonly edition: RuntimeEdition;
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  readonly state: StateOverlay;
  readonly beacon: OwnBeacon;
  readonly deposit: CallContext["deposit"];
}

/** A time-locked commit as stored. */
type StoredCommit = readonly [committer: Hotkey, block: number, commit: string, revealRound: number];

/**
 * Opens and stores the weights that were committed `RevealPeriodEpochs` ago, those whose round is signed; the others
 * wait, and are gone when the epoch is. Weights that cannot be opened or stored are dropped, as on the real chain.
 */
export function revealTimelocked(scope: RevealScope): void {
  const { codec, netuid, state, beacon } = scope;
  const subtensor = new PalletStorage(codec, state, "SubtensorModule");
  if (!subtensor.flag("CommitRevealWeightsEnabled", netuid)) return;
  const due = subtensor.number("SubnetEpochIndex", netuid) - subtensor.number("RevealPeriodEpochs", netuid);
  if (due > 0) removeCommits(subtensor, netuid, due - 1);
  if (due < 0) return;
  const queue = (subtensor.read("TimelockedWeightCommits", netuid, due)?.toJSON() ?? []) as unknown as StoredCommit[];
  if (queue.length === 0) return;
  const drand = new PalletStorage(codec, state, "Drand");
  const waiting = queue.filter((commit) => {
    const signature = pulseSignature(drand, beacon, Number(commit[3]));
    if (signature !== null) reveal(scope, commit, signature);
    return signature === null;
  });
  if (waiting.length > 0) subtensor.put("TimelockedWeightCommits", [netuid, due], waiting);
  else removeCommits(subtensor, netuid, due);
}

function removeCommits(subtensor: PalletStorage, netuid: Netuid, epoch: number): void {
  if (subtensor.numbers("TimelockedWeightCommits", netuid, epoch).length === 0) return;
  subtensor.remove("TimelockedWeightCommits", [netuid, epoch]);
}

function reveal(scope: RevealScope, [signer, , commit]: StoredCommit, signature: string): void {
  const { codec, edition, netuid, block } = scope;
  const payload = openedPayload(commit, signature);
  if (payload?.hotkey !== signer) return;
  const scratch = new StateOverlay(scope.state);
  const context = { codec, edition, block, signer, ...storageOf(codec, scratch), deposit: scope.deposit };
  try {
    const { uids, weights: values, versionKey } = payload;
    storeWeights(context, { netuid, uids, values, versionKey });
  } catch (error) {
    if (error instanceof DispatchFailure) return;
    throw error;
  }
  scope.state.take(scratch.changes);
  scope.deposit("SubtensorModule", "TimelockedWeightsRevealed", [netuid, signer]);
}

/** Null for what is no ciphertext of this round or no weights: strangers may commit any bytes. */
function openedPayload(commit: string, signature: string): ReturnType<typeof decodeWeightPayload> | null {
  try {
    return decodeWeightPayload(openTimelock(hexToU8a(commit), signature));
  } catch {
    return null;
  }
}
