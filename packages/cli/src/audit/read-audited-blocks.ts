import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { ChainSnapshot, Neuron } from "@assay/core/round/snapshot";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { AuditedBlock, AuditedValidator } from "@assay/core/weights/audit/audit-validators";
import { finalBlock } from "../operator/final-block.ts";
import { type Problem, problemOf } from "../operator/problem.ts";

/** The audited block and the one before it that copies are told by. */
export interface AuditedBlocks {
  readonly audited: AuditedBlock;
  /** Null in the subnet's first tempo, and, with a problem, where no endpoint has its state. */
  readonly earlier: AuditedBlock | null;
  readonly commitReveal: boolean;
  readonly tempoBlocks: number;
  readonly problems: readonly Problem[];
}

/**
 * Reads both blocks: the given one, or the last of the newest tempo that is complete at a final block; and the last one
 * of the tempo before that block's.
 *
 * @throws ChainError `CHAIN_STATE_DISCARDED` when no endpoint has the state of the audited block.
 */
export async function readAuditedBlocks(
  chain: ChainClient,
  netuid: Netuid,
  block: BlockNumber | null,
): Promise<AuditedBlocks> {
  const at = block === null ? await lastCompleteTempo(chain, netuid) : await finalBlock(chain, block);
  const { epoch } = await withState(at, () => chain.weightRules(netuid, at.hash));
  const snapshot = await withState(at, () => chain.snapshot(netuid, at.hash));
  const { commitRevealEnabled: commitReveal } = snapshot.hyperparameters;
  const audited = await withState(at, () => auditedBlock(chain, snapshot, { withCommits: commitReveal }));
  return { audited, commitReveal, tempoBlocks: epoch.blocks, ...(await earlierBlock(chain, netuid, epoch.firstBlock)) };
}

/** The weights of a tempo's last block are what the next one begins with paying by. */
async function lastCompleteTempo(chain: ChainClient, netuid: Netuid): Promise<ChainHead> {
  const final = chain.finalizedHead();
  const { epoch } = await chain.weightRules(netuid, final.hash);
  return epoch.firstBlock > 1 ? await finalBlock(chain, epoch.firstBlock - 1) : final;
}

async function earlierBlock(
  chain: ChainClient,
  netuid: Netuid,
  firstBlock: BlockNumber,
): Promise<Pick<AuditedBlocks, "earlier" | "problems">> {
  if (firstBlock <= 1) return { earlier: null, problems: [] };
  try {
    const at = await finalBlock(chain, firstBlock - 1);
    const earlier = await withState(at, async () =>
      auditedBlock(chain, await chain.snapshot(netuid, at.hash), { withCommits: false }),
    );
    return { earlier, problems: [] };
  } catch (error) {
    return { earlier: null, problems: [problemOf(error)] };
  }
}

async function auditedBlock(
  chain: ChainClient,
  { netuid, block, hash, neurons }: ChainSnapshot,
  { withCommits }: { readonly withCommits: boolean },
): Promise<AuditedBlock> {
  const weights = await chain.allWeights(netuid, hash);
  const pending = (hotkey: string) => (withCommits ? chain.pendingCommits(netuid, hotkey, hash) : []);
  const validators = neurons
    .filter(({ validatorPermit }) => validatorPermit)
    .map(async (neuron): Promise<AuditedValidator> => {
      const commits = await pending(neuron.hotkey);
      return { ...factsOf(neuron), weights: weights.get(neuron.uid) ?? [], pendingCommits: commits.length };
    });
  return { block, validators: await Promise.all(validators) };
}

function factsOf({ uid, hotkey, stakeRao, lastUpdate }: Neuron) {
  return { uid, hotkey, stakeRao, lastUpdate };
}

/** Says what to do about a block whose state nobody has any more. */
async function withState<T>({ number }: ChainHead, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ChainError) || error.code !== ChainErrorCode.StateDiscarded) throw error;
    throw new ChainError(
      ChainErrorCode.StateDiscarded,
      "No endpoint has the state of a block any more; name an archive node with --chain-archive-endpoint",
      { fields: { block: number }, cause: error },
    );
  }
}
