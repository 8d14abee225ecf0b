import type { ChainClient } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { phaseWindow } from "@assay/core/cycle/phase";
import { type MajorityVersion, majorityVersion } from "@assay/core/merging/majority-version";
import { type Merger, mergersOf } from "@assay/core/merging/mergers";
import type { Network } from "@assay/core/network";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { Netuid } from "@assay/core/units";

/** What the validators committed last, and who can be asked for it. */
export interface CommittedMajority {
  /** Whose merge made the version. */
  readonly cycle: number;
  /** Null when those who committed named several versions, and none has a majority. */
  readonly majority: MajorityVersion | null;
  /** All other validators that can be reached, in hotkey order. */
  readonly peers: readonly Merger[];
}

/** Exchanges of so many cycles are kept by those who merged: before them nobody could give the momentum. */
const CYCLES_BACK = 2;

/**
 * What a cycle's validators committed, as of the end of its last phase; where nobody named a version, as nothing was
 * merged, what those of the cycle before did.
 *
 * @returns null when nothing was committed, and undefined while that cannot be known: the phase's end is not final.
 */
export async function findMajority(
  cycle: number,
  chain: Pick<ChainClient, "hotkey" | "finalizedBlockHash" | "snapshot">,
  { netuid, network }: { readonly netuid: Netuid; readonly network: Network },
): Promise<CommittedMajority | null | undefined> {
  for (let each = cycle; each >= 0 && each > cycle - CYCLES_BACK; each -= 1) {
    const window = phaseWindow(each, "validatorCommit2", network.schedule);
    const hash = await chain.finalizedBlockHash(window.lastBlock);
    if (hash === null) return undefined;
    const snapshot = await chain.snapshot(netuid, hash).catch(nothingIfDiscarded);
    if (snapshot === null) return null;
    const { validators } = network.merge;
    const neurons = snapshot.neurons.filter(({ hotkey }) => validators?.includes(hotkey) ?? true);
    const { majority, isAnyCommitted } = majorityVersion({ ...snapshot, neurons }, window);
    const peers = mergersOf(snapshot, validators).filter(({ hotkey }) => hotkey !== chain.hotkey);
    if (isAnyCommitted) return { cycle: each, majority, peers };
  }
  return null;
}

/** A node that has pruned that block cannot tell any more: the next cycle's commitments can. */
function nothingIfDiscarded(error: unknown): ChainSnapshot | null {
  if (error instanceof ChainError && error.code === ChainErrorCode.StateDiscarded) return null;
  throw error;
}
