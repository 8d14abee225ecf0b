import type { BlockHash, Hotkey, Netuid } from "@assay/core/units";
import type { ApiPromise } from "@polkadot/api";
import type { Codec } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { timelockedCommitHash } from "../timelock/weight-payload.ts";
import {
  type Epoch,
  epochByNumber,
  TIMELOCK_VERSION,
  type WeightRules,
  type WeightWay,
  weightWay,
} from "../weight-rules.ts";
import type { ChainSession } from "./session.ts";
import { listOf, numberOf, type StorageAt, storageAt } from "./storage.ts";

const PALLET = "subtensorModule";
/** One of these ways is needed where weights are hidden. */
const COMMIT_CALLS = `${PALLET}.commitTimelockedWeights of version ${TIMELOCK_VERSION}, or commitWeights and revealWeights`;

/**
 * How and when weights can be set at one block.
 *
 * @throws ChainError `CHAIN_INTERFACE_MISMATCH` when the subnet hides weights in a way that this runtime or this
 *   version does not have.
 */
export async function readWeightRules(session: ChainSession, netuid: Netuid, hash: BlockHash): Promise<WeightRules> {
  const storage = await storageAt(session, hash);
  const [block, timestamp, way, epoch, period, beacon] = await Promise.all([
    numberAt(storage, "system", "number"),
    numberAt(storage, "timestamp", "now"),
    readWay(session.api, storage, netuid),
    readEpoch(storage, netuid),
    optionalNumber(storage, "revealPeriodEpochs", [netuid]),
    readBeacon(storage),
  ]);
  return {
    way,
    block,
    blockSeconds: timestamp / 1000,
    secondsPerBlock: (2 * minimumPeriodMillis(session.api)) / 1000,
    epoch,
    revealPeriodEpochs: Math.max(1, period ?? 1),
    beacon,
  };
}

async function readWay(api: ApiPromise, storage: StorageAt, netuid: Netuid): Promise<WeightWay> {
  const [enabled, commitRevealVersion, beaconConfig] = await Promise.all([
    storage.optionalItem(PALLET, "commitRevealWeightsEnabled")?.(netuid),
    optionalNumber(storage, "commitRevealWeightsVersion", []),
    storage.optionalItem("drand", "beaconConfig")?.(),
  ]);
  const calls = api.tx[PALLET] ?? {};
  const has = (...names: readonly string[]) => names.every((name) => calls[name] !== undefined);
  const way = weightWay({
    commitRevealEnabled: enabled !== undefined && !enabled.isEmpty,
    commitRevealVersion,
    hasTimelock: has("commitTimelockedWeights") && beaconConfig !== undefined,
    hasHash: has("commitWeights", "revealWeights"),
  });
  if (way !== null) return way;
  throw new ChainError(ChainErrorCode.InterfaceMismatch, "The runtime takes hidden weights in no way that we know", {
    fields: { netuid, commitRevealVersion: commitRevealVersion ?? "none", missing: COMMIT_CALLS },
  });
}

async function readEpoch(storage: StorageAt, netuid: Netuid): Promise<Epoch> {
  const [block, tempo, index, last, pending] = await Promise.all([
    numberAt(storage, "system", "number"),
    numberAt(storage, PALLET, "tempo", [netuid]),
    optionalNumber(storage, "subnetEpochIndex", [netuid]),
    optionalNumber(storage, "lastEpochBlock", [netuid]),
    optionalNumber(storage, "pendingEpochAt", [netuid]),
  ]);
  if (index === null || last === null) return epochByNumber(block, { netuid, tempo });
  const regular = last + tempo;
  const nextBlock = pending === null || pending === 0 ? regular : Math.min(regular, pending);
  // Where several epochs are due at once, one of them waits: it can still begin with the next block.
  return { index, firstBlock: last, nextBlock: Math.max(nextBlock, block + 1), blocks: tempo };
}

async function readBeacon(storage: StorageAt): Promise<WeightRules["beacon"]> {
  const [config, last] = await Promise.all([
    storage.optionalItem("drand", "beaconConfig")?.(),
    storage.optionalItem("drand", "lastStoredRound")?.(),
  ]);
  if (config === undefined || last === undefined || config.isEmpty) return null;
  const fields = config.toJSON() as {
    readonly publicKey: string;
    readonly period: number;
    readonly genesisTime: number;
  };
  return {
    publicKey: fields.publicKey.replace(/^0x/, ""),
    genesisSeconds: fields.genesisTime,
    periodSeconds: fields.period,
    lastStoredRound: numberOf(last),
  };
}

/**
 * Hashes of a hotkey's commits that no epoch has revealed or dropped yet: as announced for hashes, of the ciphertext
 * for time-locked ones.
 */
export async function readPendingCommits(
  session: ChainSession,
  { netuid, hotkey, at }: { readonly netuid: Netuid; readonly hotkey: Hotkey; readonly at: BlockHash },
): Promise<readonly string[]> {
  const storage = await storageAt(session, at);
  const [hashed, timelocked] = await Promise.all([
    storage.optionalItem(PALLET, "weightCommits")?.(netuid, hotkey),
    storage.optionalItem(PALLET, "timelockedWeightCommits")?.entries(netuid),
  ]);
  const queues = (timelocked ?? []).flatMap(([, queue]) => listOf(queue).map(listOf));
  return [
    ...hashesOf(hashed),
    ...queues
      .filter(([committer]) => committer?.toString() === hotkey)
      .map(([, , commit]) => timelockedCommitHash(commit?.toU8a(true) ?? new Uint8Array(0))),
  ];
}

/** First parts of the stored tuples; none where nothing is stored. */
function hashesOf(stored: Codec | undefined): readonly string[] {
  if (stored === undefined || stored.isEmpty) return [];
  const queue = "unwrap" in stored ? (stored as Codec & { unwrap(): Codec }).unwrap() : stored;
  return listOf(queue).flatMap((commit) => listOf(commit)[0]?.toHex() ?? []);
}

async function numberAt(storage: StorageAt, pallet: string, item: string, keys: readonly unknown[] = []) {
  return numberOf(await storage.item(pallet, item)(...keys));
}

async function optionalNumber(storage: StorageAt, item: string, keys: readonly unknown[]): Promise<number | null> {
  const stored = await storage.optionalItem(PALLET, item)?.(...keys);
  if (stored === undefined) return null;
  // Of an optional item without a value; zeros are empty too.
  return stored.isEmpty ? 0 : numberOf(stored);
}

function minimumPeriodMillis(api: ApiPromise): number {
  const { timestamp } = api.consts;
  const { minimumPeriod } = timestamp ?? {};
  if (minimumPeriod !== undefined) return numberOf(minimumPeriod);
  throw new ChainError(ChainErrorCode.InterfaceMismatch, "The runtime does not tell its block time");
}
