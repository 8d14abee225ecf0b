import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid, Uid } from "@assay/core/units";
import type { Codec } from "@polkadot/types/types";
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
  return pairsOf(await storage.item(PALLET, "weights")(netuid, uid));
}

/** The weights of all neurons as stored at one block, by uid. */
export async function readAllWeights(
  session: ChainSession,
  netuid: Netuid,
  at: BlockHash,
): Promise<ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>> {
  const storage = await storageAt(session, at);
  const stored = await storage.item(PALLET, "weights").entries(netuid);
  const rows = stored.map(([key, pairs]) => [numberOf(argument(key.args, 1)), pairsOf(pairs)] as const);
  return new Map(rows.sort(([a], [b]) => a - b));
}

function pairsOf(stored: Codec): readonly (readonly [Uid, number])[] {
  return listOf(stored)
    .map((pair) => {
      const [target, weight] = listOf(pair);
      return [numberOf(argument([target], 0)), numberOf(argument([weight], 0))] as const;
    })
    .sort(([a], [b]) => a - b);
}
