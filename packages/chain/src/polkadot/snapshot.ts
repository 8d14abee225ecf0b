import type { ChainSnapshot, Neuron, SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid, Uid } from "@assay/core/units";
import type { Codec } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { decodeIp } from "../ip-address.ts";
import { readCommitments } from "./commitments.ts";
import type { ChainSession } from "./session.ts";
import { bigintOf, listOf, numberOf, type StorageAt, storageAt } from "./storage.ts";

const PALLET = "subtensorModule";
/** `MaxWeightsLimit` of a runtime that has no such rule. */
const NO_WEIGHT_LIMIT = 65_535;

/**
 * Everything a validator plans with, read from storage at one block hash: neurons by uid, rules, commitments.
 *
 * @throws ChainError `CHAIN_SUBNET_UNKNOWN` when the subnet did not exist at that block.
 */
export async function readSnapshot(session: ChainSession, netuid: Netuid, hash: BlockHash): Promise<ChainSnapshot> {
  const storage = await storageAt(session, hash);
  const [added, number] = await Promise.all([
    storage.item(PALLET, "networksAdded")(netuid),
    storage.item("system", "number")(),
  ]);
  if (added.isEmpty) {
    throw new ChainError(ChainErrorCode.SubnetUnknown, "The subnet does not exist at that block", {
      fields: { netuid, hash },
    });
  }
  const [neurons, hyperparameters, commitments] = await Promise.all([
    readNeurons(storage, netuid),
    readHyperparameters(storage, netuid),
    readCommitments(session, storage, netuid),
  ]);
  return { netuid, block: numberOf(number), hash, neurons, hyperparameters, commitments };
}

async function readNeurons(storage: StorageAt, netuid: Netuid): Promise<readonly Neuron[]> {
  const keys = await storage.item(PALLET, "keys").entries(netuid);
  const slots = keys
    .map(([key, hotkey]) => ({ uid: numberOf(argument(key.args, 1)), hotkey: hotkey.toString() }))
    .sort((a, b) => a.uid - b.uid);
  const hotkeys = slots.map(({ hotkey }) => hotkey);
  const [permits, updates, owners, stakes, axons] = await Promise.all([
    storage.item(PALLET, "validatorPermit")(netuid).then(listOf),
    storage.item(PALLET, "lastUpdate")(netuid).then(listOf),
    readMany(storage, "owner", hotkeys),
    readMany(
      storage,
      "totalHotkeyAlpha",
      hotkeys.map((hotkey) => [hotkey, netuid]),
    ),
    readMany(
      storage,
      "axons",
      hotkeys.map((hotkey) => [netuid, hotkey]),
    ),
  ]);
  return slots.map(({ uid, hotkey }, index) => ({
    uid,
    hotkey,
    coldkey: owners[index]?.toString() ?? "",
    stakeRao: valueOr(stakes[index], bigintOf, 0n),
    validatorPermit: permits[uid]?.isEmpty === false,
    lastUpdate: valueOr(updates[uid], numberOf, 0),
    axon: valueOr(axons[index], axonOf, null),
  }));
}

/** One request for many keys of one map. */
async function readMany(storage: StorageAt, name: string, keys: readonly unknown[]): Promise<readonly Codec[]> {
  return keys.length === 0 ? [] : await storage.item(PALLET, name).multi([...keys]);
}

async function readHyperparameters(storage: StorageAt, netuid: Netuid): Promise<SubnetHyperparameters> {
  const rule = (name: string) => storage.item(PALLET, name)(netuid);
  const [tempo, rateLimit, versionKey, minimum, commitReveal, threshold, limit] = await Promise.all([
    rule("tempo"),
    rule("weightsSetRateLimit"),
    rule("weightsVersionKey"),
    rule("minAllowedWeights"),
    rule("commitRevealWeightsEnabled"),
    storage.item(PALLET, "stakeThreshold")(),
    storage.optionalItem(PALLET, "maxWeightsLimit")?.(netuid),
  ]);
  return {
    tempo: numberOf(tempo),
    weightsRateLimit: numberOf(rateLimit),
    weightsVersionKey: bigintOf(versionKey),
    minAllowedWeights: numberOf(minimum),
    maxWeightsLimit: valueOr(limit, numberOf, NO_WEIGHT_LIMIT),
    commitRevealEnabled: !commitReveal.isEmpty,
    stakeThresholdRao: bigintOf(threshold),
  };
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

/** Where a neuron says it listens; null for the entry of one that never served, which is zeros or nothing. */
function axonOf(stored: Codec): { readonly ip: string; readonly port: number } | null {
  const { ip, port, ipType } = stored as Codec & Partial<Record<"ip" | "port" | "ipType", Codec>>;
  if (ip === undefined || port === undefined || ipType === undefined) return null;
  if (ip.isEmpty || port.isEmpty) return null;
  const address = decodeIp(numberOf(ipType), bigintOf(ip));
  return address === null ? null : { ip: address, port: numberOf(port) };
}

/** Value of an item that may be an `Option`, or absent altogether. */
function valueOr<T>(stored: Codec | undefined, read: (value: Codec) => T, otherwise: T): T {
  if (stored === undefined) return otherwise;
  if (!("unwrapOr" in stored)) return read(stored);
  const inner = (stored as Codec & { unwrapOr(value: null): Codec | null }).unwrapOr(null);
  return inner === null ? otherwise : read(inner);
}

function argument(values: readonly (Codec | undefined)[], index: number): Codec {
  const value = values[index];
  if (value === undefined) throw new TypeError(`The stored key or value has no part ${index}`);
  return value;
}
