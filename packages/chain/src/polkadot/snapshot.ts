import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid, Uid } from "@assay/core/units";
import { readCommitments } from "./commitments.ts";
import { readMetagraph } from "./metagraph.ts";
import type { ChainSession } from "./session.ts";
import { argument, bigintOf, listOf, numberOf, storageAt } from "./storage.ts";
import { readStoredSubnet } from "./stored-subnet.ts";

const PALLET = "subtensorModule";

/**
 * Everything a validator plans with, read at one block hash: neurons by uid, rules, commitments. Five requests for a
 * recent block of a runtime that gives a metagraph.
 *
 * @throws ChainError `CHAIN_SUBNET_UNKNOWN` when the subnet did not exist at that block.
 */
export async function readSnapshot(session: ChainSession, netuid: Netuid, hash: BlockHash): Promise<ChainSnapshot> {
  const storage = await storageAt(session, hash);
  const [metagraph, threshold, commitments] = await Promise.all([
    readMetagraph(storage, netuid),
    (storage.optionalItem(PALLET, "stakeThreshold") ?? storage.optionalItem(PALLET, "weightsMinStake"))?.(),
    readCommitments(session, storage, netuid),
  ]);
  const { neurons, rules } = metagraph ?? (await readStoredSubnet(storage, netuid));
  const hyperparameters = { ...rules, stakeThresholdRao: threshold === undefined ? 0n : bigintOf(threshold) };
  const stakeIsTotal = metagraph !== null;
  return { netuid, block: storage.block, hash, neurons, stakeIsTotal, hyperparameters, commitments };
}

/** A neuron's weights as stored at one block, sorted by uid. */
export async function readWeights(
  session: ChainSession,
  { netuid, uid, at }: { readonly netuid: Netuid; readonly uid: Uid; readonly at: BlockHash },
): Promise<readonly (readonly [Uid, number])[]> {
  const storage = await storageAt(session, at);
  const stored = await storage.item(PALLET, "weights")(netuid, uid);
  return listOf(stored)
    .map((pair) => {
      const [target, weight] = listOf(pair);
      return [numberOf(argument([target], 0)), numberOf(argument([weight], 0))] as const;
    })
    .sort(([a], [b]) => a - b);
}
