import { cryptoWaitReady } from "@assay/chain/polkadot/library";
import { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { BlockHash, BlockNumber, Netuid } from "@assay/core/units";
import { BlockProducer } from "./block-producer.ts";
import { Chain } from "./chain.ts";
import { DEFAULT_HYPERPARAMETERS, type GenesisHyperparameters, type GenesisNeuron } from "./genesis.ts";
import type { RpcSurface } from "./rpc/connection.ts";
import { rpcMethods } from "./rpc/methods.ts";
import { RpcServer } from "./rpc/server.ts";
import { rpcSubscriptions } from "./rpc/subscriptions.ts";
import { createRuntime, type RuntimeTerms } from "./runtime-history.ts";
import { PalletReader } from "./state/pallet-storage.ts";

export interface DevChainOptions {
  readonly netuid: Netuid;
  /** Registered neurons; their places are their uids. */
  readonly neurons: readonly GenesisNeuron[];
  /** Rules that differ from {@link DEFAULT_HYPERPARAMETERS}. */
  readonly hyperparameters?: Partial<GenesisHyperparameters>;
  /** Address to listen on; loopback when not given. */
  readonly host?: string;
  /** Port to listen on; any free one when not given. */
  readonly port?: number;
  /** Time between blocks; 12 000 when not given, as on finney. */
  readonly blockMillis?: number;
  /** Time between two rounds of the chain's own beacon, which opens time-locked weights; 3 when not given, as drand's. */
  readonly beaconPeriodSeconds?: number;
  /** Builds blocks only when asked to. */
  readonly manual?: boolean;
  /** Blocks between the head and the newest final block; 2 when not given, at least 1. */
  readonly finalityLag?: number;
  /** Blocks behind the head whose state stays readable; all when not given. */
  readonly pruneAfterBlocks?: number;
  /** Extrinsics that may wait at once; 8192 when not given. */
  readonly poolLimit?: number;
  /**
   * Refuses calls before any block (RPC error 1010, "Custom error: N") where subtensor does so since spec 417, instead
   * of in the block; off when not given.
   */
  readonly poolChecks?: boolean;
  /** Calls that its runtime does not offer, by pallet and name: `SubtensorModule.set_weights`. */
  readonly withoutCalls?: readonly string[];
  /** Time of block 0; now when not given. */
  readonly genesisMillis?: number;
  /** Hears of calls that broke instead of being refused: the chain's bugs. A process warning when not given. */
  readonly onBrokenCall?: (error: unknown) => void;
}

export interface DevChainHead {
  readonly number: BlockNumber;
  readonly hash: BlockHash;
}

/** A running development chain. */
export interface DevChain {
  /** Address of its WebSocket. */
  readonly url: string;
  readonly head: DevChainHead;
  readonly finalized: DevChainHead;
  /** Builds one block now. */
  buildBlock(): DevChainHead;
  /** Builds blocks until the head is `block`. */
  buildUntil(block: BlockNumber): DevChainHead;
  pause(): void;
  resume(): void;
  /** Makes the next block the last one of the present runtime. What waits in the pool is dropped, as its signatures are void. */
  upgradeRuntime(terms: Omit<RuntimeTerms, "blockMillis">): void;
  /** Cuts every client's connection; clients may connect again. */
  dropConnections(): void;
  /** A storage value as plain JSON at a block, the head when not given. */
  readStorage(pallet: string, item: string, keys: readonly unknown[], at?: BlockHash): unknown;
  /** Makes the next block write a value; null removes the key. */
  writeStorage(pallet: string, item: string, keys: readonly unknown[], value: unknown): void;
  close(): Promise<void>;
}

const FINNEY_BLOCK_MILLIS = 12_000;
const DRAND_PERIOD_SECONDS = 3;
/** Anyone can derive the beacon's key: it keeps nothing secret but from the honest. */
const BEACON_WORD = "assay development beacon";

/** Starts a chain with one subnet. Its head is block 1, so that clients never meet the genesis as their head. */
export async function startDevChain(options: DevChainOptions): Promise<DevChain> {
  await cryptoWaitReady();
  const { blockMillis = FINNEY_BLOCK_MILLIS, manual = false, host = "127.0.0.1", port = 0 } = options;
  checkOptions(options);
  const chain = createChain(options, blockMillis);
  const producer = new BlockProducer(chain, { blockMillis, manual });
  producer.buildBlock();
  const server = new RpcServer(rpcSurface(chain, producer), { host, port });
  const url = await server.start();
  producer.resume();
  return devChain({ chain, producer, server, url, blockMillis });
}

function checkOptions({
  blockMillis = FINNEY_BLOCK_MILLIS,
  finalityLag = 2,
  pruneAfterBlocks = 1,
}: DevChainOptions): void {
  if (!(blockMillis > 0)) throw new RangeError("blockMillis must be positive");
  if (!Number.isInteger(finalityLag) || finalityLag < 1) throw new RangeError("finalityLag must be at least 1");
  if (!Number.isInteger(pruneAfterBlocks) || pruneAfterBlocks < 1) {
    throw new RangeError("pruneAfterBlocks must be at least 1");
  }
}

function createChain(options: DevChainOptions, blockMillis: number): Chain {
  const { withoutCalls = [] } = options;
  const hyperparameters = { ...DEFAULT_HYPERPARAMETERS, ...options.hyperparameters };
  const { netuid, neurons, genesisMillis = Date.now(), beaconPeriodSeconds = DRAND_PERIOD_SECONDS } = options;
  const beacon = new OwnBeacon(BEACON_WORD, {
    genesisSeconds: Math.floor(genesisMillis / 1000),
    periodSeconds: beaconPeriodSeconds,
  });
  return new Chain(
    {
      runtime: createRuntime({ blockMillis, withoutCalls }),
      beacon,
      genesis: { netuid, neurons, hyperparameters, beacon },
      onBrokenCall:
        options.onBrokenCall ?? ((error) => process.emitWarning(error instanceof Error ? error : String(error))),
    },
    {
      finalityLag: options.finalityLag ?? 2,
      pruneAfterBlocks: options.pruneAfterBlocks ?? null,
      poolLimit: options.poolLimit ?? 8192,
      poolChecks: options.poolChecks ?? false,
      genesisMillis,
    },
  );
}

/** Clients offer only what `rpc_methods` lists. */
function rpcSurface(chain: Chain, producer: BlockProducer): RpcSurface {
  const methods = rpcMethods(chain, producer);
  const subscriptions = rpcSubscriptions(chain);
  const ends = [...subscriptions.values()].flatMap(({ endedBy }) => endedBy);
  const names = [...new Set(["rpc_methods", ...Object.keys(methods), ...subscriptions.keys(), ...ends])].sort();
  return { methods: { ...methods, rpc_methods: () => ({ methods: names }) }, subscriptions };
}

interface Parts {
  readonly chain: Chain;
  readonly producer: BlockProducer;
  readonly server: RpcServer;
  readonly url: string;
  readonly blockMillis: number;
}

function devChain({ chain, producer, server, url, blockMillis }: Parts): DevChain {
  const { codec } = chain;
  return {
    url,
    get head() {
      return { number: chain.head.number, hash: chain.head.hash };
    },
    get finalized() {
      return { number: chain.finalized.number, hash: chain.finalized.hash };
    },
    buildBlock: () => producer.buildBlock(),
    buildUntil: (block) => {
      while (chain.head.number < block) producer.buildBlock();
      return chain.head;
    },
    pause: () => producer.pause(),
    resume: () => producer.resume(),
    upgradeRuntime: (terms) => chain.upgrade(createRuntime({ ...terms, blockMillis })),
    dropConnections: () => server.dropConnections(),
    readStorage: (pallet, item, keys, at) =>
      new PalletReader(codec, chain.stateAt(at ?? null), pallet).read(item, ...keys)?.toJSON() ?? null,
    writeStorage: (pallet, item, keys, value) => {
      const encoded = value === null ? null : codec.encodeStorage(pallet, item, value);
      chain.inject(codec.storageKey(pallet, item, keys), encoded);
    },
    close: async () => {
      producer.pause();
      await server.stop();
    },
  };
}
