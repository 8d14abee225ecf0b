import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { BlockHash, BlockNumber, Netuid } from "@assay/core/units";
import type { Block } from "./blocks/block.ts";
import { buildBlock } from "./blocks/build-block.ts";
import { sealBlock } from "./blocks/seal.ts";
import { type Genesis, writeGenesis } from "./genesis.ts";
import type { RuntimeVersion } from "./metadata/runtime-version.ts";
import { checkCallInPool } from "./pool/call-check.ts";
import { readSignedExtrinsic } from "./pool/signed-extrinsic.ts";
import { type StatusListener, TransactionPool } from "./pool/transaction-pool.ts";
import { RpcError, RpcErrorCode } from "./rpc/rpc-error.ts";
import { type Runtime, RuntimeHistory } from "./runtime-history.ts";
import { PalletReader } from "./state/pallet-storage.ts";
import type { RuntimeCodec } from "./state/runtime-codec.ts";
import { StateHistory, type StateReader, type StorageKey, type StorageValue } from "./state/state-history.ts";
import { StateOverlay } from "./state/state-overlay.ts";

export interface ChainComponents {
  readonly runtime: Runtime;
  readonly genesis: Genesis;
  readonly beacon: OwnBeacon;
  readonly onBrokenCall: (error: unknown) => void;
}

export interface ChainOptions {
  /** Blocks between the head and the newest final block; at least 1. */
  readonly finalityLag: number;
  /** Blocks behind the head whose state is kept; null keeps all. */
  readonly pruneAfterBlocks: number | null;
  /** Extrinsics that may wait at once. */
  readonly poolLimit: number;
  /** Whether the pool refuses calls that the next block would refuse, as subtensor does since spec 417. */
  readonly poolChecks: boolean;
  /** Time of block 0 in milliseconds since 1970. */
  readonly genesisMillis: number;
}

/** What a block's arrival tells the chain's listeners. */
export interface BlockListener {
  onHead?(block: Block): void;
  onFinalized?(block: Block): void;
  onRuntime?(version: RuntimeVersion): void;
}

/** The state of one block, with what a read of it needs. */
export interface BlockState extends StateReader {
  readonly block: Block;
  keys(prefix: string): readonly StorageKey[];
}

/** One chain without forks: blocks, their state, and the extrinsics that wait for the next block. */
export class Chain {
  readonly runtimes: RuntimeHistory;
  readonly netuid: Netuid;
  readonly pool: TransactionPool;
  readonly #components: ChainComponents;
  readonly #options: ChainOptions;
  readonly #history = new StateHistory();
  readonly #blocks: Block[] = [];
  readonly #byHash = new Map<BlockHash, Block>();
  readonly #listeners = new Set<BlockListener>();
  #injected: StateOverlay;
  #nextRuntime: Runtime | null = null;

  constructor(components: ChainComponents, options: ChainOptions) {
    this.runtimes = new RuntimeHistory(components.runtime);
    this.netuid = components.genesis.netuid;
    this.#components = components;
    this.#options = options;
    this.pool = new TransactionPool({ nextNonce: (signer) => this.#nonce(signer) }, { limit: options.poolLimit });
    this.#injected = new StateOverlay(this.#headState());
    const genesis = new StateOverlay(this.#headState());
    writeGenesis(this.codec, genesis, components.genesis);
    const { changes } = genesis;
    const timestamp = options.genesisMillis;
    this.#append(sealBlock(this.codec, { parent: null, extrinsics: [], timestamp, changes }), changes);
  }

  /** Codec of the newest runtime. */
  get codec(): RuntimeCodec {
    return this.runtimes.newest.codec;
  }

  get runtimeVersion(): RuntimeVersion {
    return this.runtimes.newest.version;
  }

  get head(): Block {
    return this.blockAt(this.#blocks.length - 1);
  }

  get finalized(): Block {
    return this.blockAt(Math.max(0, this.head.number - this.#options.finalityLag));
  }

  /** @throws RangeError if the block was not built yet. */
  blockAt(number: BlockNumber): Block {
    const block = this.#blocks[number];
    if (block === undefined) throw new RangeError(`there is no block ${number}`);
    return block;
  }

  hashAt(number: BlockNumber): BlockHash | null {
    return this.#blocks[number]?.hash ?? null;
  }

  /** The block of a hash, the head for none, null for an unknown hash. */
  find(hash: BlockHash | null): Block | null {
    return hash === null ? this.head : (this.#byHash.get(hash) ?? null);
  }

  /** The state as a block left it; a real node's error when the block is unknown or its state is gone. */
  stateAt(hash: BlockHash | null): BlockState {
    const block = this.find(hash);
    if (block === null) {
      const reason = `Client error: UnknownBlock: Header was not found in the database: ${hash}`;
      throw new RpcError(RpcErrorCode.State, reason);
    }
    if (block.number < this.#history.oldestBlock) {
      const reason = `Client error: UnknownBlock: State already discarded for ${block.hash}`;
      throw new RpcError(RpcErrorCode.State, reason);
    }
    const { number } = block;
    return {
      block,
      get: (key) => this.#history.get(key, number),
      keys: (prefix) => this.#history.keys(prefix, number),
    };
  }

  /** Listens to new blocks until the returned function is called. */
  listen(listener: BlockListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Checks an extrinsic and lets it wait for a block. Returns its hash. */
  submit(hex: unknown, onStatus: StatusListener | null): string {
    const extrinsic = readSignedExtrinsic(this.codec, hex, {
      runtimeVersion: this.runtimeVersion,
      head: this.head.number,
      genesisHash: this.blockAt(0).hash,
      blockHash: (number) => this.hashAt(number),
    });
    if (this.#options.poolChecks) {
      checkCallInPool(this.codec, this.#headState(), this.head.number + 1, extrinsic);
    }
    this.pool.add(extrinsic, onStatus);
    return extrinsic.hash;
  }

  /** Makes the next block write a value, as if the chain's root had done it. */
  inject(key: StorageKey, value: StorageValue | null): void {
    this.#injected.set(key, value);
  }

  /** Makes the next block the last one of the present runtime. */
  upgrade(runtime: Runtime): void {
    this.#nextRuntime = runtime;
  }

  buildBlock(timestamp: number): Block {
    const { codec, netuid, head: parent } = this;
    if (this.#nextRuntime !== null) this.pool.dropAll();
    const extrinsics = this.pool.takeReady(parent.number + 1);
    const injected = this.#injected.changes;
    this.#injected = new StateOverlay(this.#headState());
    const { block, changes } = buildBlock({
      codec,
      netuid,
      parent,
      parentState: this.#headState(),
      injected,
      extrinsics,
      timestamp,
      beacon: this.#components.beacon,
      onBrokenCall: this.#components.onBrokenCall,
    });
    this.#append(block, changes);
    this.#enactRuntime(block);
    for (const listener of this.#listeners) listener.onHead?.(block);
    this.pool.included(extrinsics, block);
    this.#finalize();
    return block;
  }

  #enactRuntime({ number }: Block): void {
    const runtime = this.#nextRuntime;
    if (runtime === null) return;
    this.#nextRuntime = null;
    this.runtimes.enact(number, runtime);
    for (const listener of this.#listeners) listener.onRuntime?.(runtime.version);
  }

  #append(block: Block, changes: StateOverlay["changes"]): void {
    this.#history.commit(block.number, changes);
    this.#blocks.push(block);
    this.#byHash.set(block.hash, block);
    const { pruneAfterBlocks } = this.#options;
    if (pruneAfterBlocks !== null) {
      this.#history.discardBefore(Math.min(this.finalized.number, block.number - pruneAfterBlocks));
    }
  }

  #finalize(): void {
    const { finalized, head } = this;
    if (head.number <= this.#options.finalityLag) return;
    for (const listener of this.#listeners) listener.onFinalized?.(finalized);
    this.pool.finalized(finalized.number);
  }

  /** Reads the newest block's state, also when that is a later block than now. */
  #headState(): StateReader {
    return { get: (key) => this.#history.get(key, this.#blocks.length - 1) };
  }

  #nonce(signer: string): number {
    const account = new PalletReader(this.codec, this.#headState(), "System").read("Account", signer)?.toJSON();
    return (account as { readonly nonce: number }).nonce;
  }
}
