import { cryptoWaitReady } from "@assay/chain/polkadot/library";
import { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { Netuid } from "@assay/core/units";
import { BlockProducer } from "./block-producer.ts";
import { Chain } from "./chain.ts";
import { DevControls, type DevControlsParts, type UpgradeTerms } from "./dev-controls.ts";
import type { RpcSurface } from "./rpc/connection.ts";
import { devMethods } from "./rpc/dev-methods.ts";
import { type RpcMethods, rpcMethods } from "./rpc/methods.ts";
import { RpcServer } from "./rpc/server.ts";
import { rpcSubscriptions } from "./rpc/subscriptions.ts";
import { createRuntime } from "./runtime-terms.ts";
import { DEFAULT_HYPERPARAMETERS, type GenesisNeuron, type SubnetRules } from "./subnet-terms.ts";

export interface DevChainOptions {
  readonly netuid: Netuid;
  /** Registered neurons; their places are their uids. */
  readonly neurons: readonly GenesisNeuron[];
  /** Rules that differ from {@link DEFAULT_HYPERPARAMETERS}. */
  readonly hyperparameters?: Partial<SubnetRules>;
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
  /**
   * How long the pool does not look again at what proved invalid, was pushed out or is in a block (RPC error 1012), by the
   * chain's time; 30 minutes when not given, as in a real pool.
   */
  readonly poolBanMillis?: number;
  /** Whether watchers hear that an extrinsic was told to a peer, which there is none of; off when not given. */
  readonly broadcasts?: boolean;
  /**
   * Whether each epoch gives permits to the `maxAllowedValidators` neurons of most stake, as on the real chain, and takes
   * them from the others; they stay as configured when not given.
   */
  readonly permitsByStake?: boolean;
  /** Its first runtime: version, edition, format of metadata, calls left out; today's with version 1 when not given. */
  readonly runtime?: UpgradeTerms;
  /** Time of block 0; now when not given. */
  readonly genesisMillis?: number;
  /** Hears of calls that broke instead of being refused: the chain's bugs. A process warning when not given. */
  readonly onBrokenCall?: (error: unknown) => void;
}

/** A running development chain. */
export class DevChain extends DevControls {
  /** Address of its WebSocket. */
  readonly url: string;
  readonly #close: () => Promise<void>;

  constructor(controls: DevControlsParts, { url, close }: Pick<DevChain, "url" | "close">) {
    super(controls);
    this.url = url;
    this.#close = close;
  }

  async close(): Promise<void> {
    this.pause();
    await this.#close();
  }
}

const FINNEY_BLOCK_MILLIS = 12_000;
const DRAND_PERIOD_SECONDS = 3;
const POOL_BAN_MILLIS = 30 * 60_000;
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
  const parts: DevControlsParts = { chain, producer, blockMillis, dropConnections: () => server.dropConnections() };
  const server = new RpcServer(rpcSurface(chain, new DevControls(parts)), { host, port });
  const url = await server.start();
  producer.resume();
  return new DevChain(parts, { url, close: () => server.stop() });
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
  const hyperparameters = { ...DEFAULT_HYPERPARAMETERS, ...options.hyperparameters };
  const { netuid, neurons, genesisMillis = Date.now(), beaconPeriodSeconds = DRAND_PERIOD_SECONDS } = options;
  const beacon = new OwnBeacon(BEACON_WORD, {
    genesisSeconds: Math.floor(genesisMillis / 1000),
    periodSeconds: beaconPeriodSeconds,
  });
  return new Chain(
    {
      runtime: createRuntime({ ...options.runtime, blockMillis }),
      beacon,
      genesis: { netuid, neurons, hyperparameters, beacon },
      onBrokenCall:
        options.onBrokenCall ?? ((error) => process.emitWarning(error instanceof Error ? error : String(error))),
    },
    {
      finalityLag: options.finalityLag ?? 2,
      pruneAfterBlocks: options.pruneAfterBlocks ?? null,
      pool: {
        limit: options.poolLimit ?? 8192,
        banMillis: options.poolBanMillis ?? POOL_BAN_MILLIS,
        broadcasts: options.broadcasts ?? false,
      },
      poolChecks: options.poolChecks ?? false,
      permitsByStake: options.permitsByStake ?? false,
      genesisMillis,
    },
  );
}

/** Clients offer only what `rpc_methods` lists. */
function rpcSurface(chain: Chain, controls: DevControls): RpcSurface {
  const methods: RpcMethods = { ...rpcMethods(chain), ...devMethods(controls) };
  const subscriptions = rpcSubscriptions(chain);
  const ends = [...subscriptions.values()].flatMap(({ endedBy }) => endedBy);
  const names = [...new Set(["rpc_methods", ...Object.keys(methods), ...subscriptions.keys(), ...ends])].sort();
  return { methods: { ...methods, rpc_methods: () => ({ methods: names }) }, subscriptions };
}
