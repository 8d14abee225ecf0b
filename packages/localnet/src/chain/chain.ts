import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { BlockHash, BlockNumber, Netuid } from "@assay/core/units";
import type { Block } from "./blocks/block.ts";
import { BlockTree, type GrownBlock, type ListedState } from "./blocks/block-tree.ts";
import { buildBlock } from "./blocks/build-block.ts";
import { Finality } from "./blocks/finality.ts";
import { sealBlock } from "./blocks/seal.ts";
import { abandonedUpgrade, checkFork, type ForkTerms } from "./fork.ts";
import { type Genesis, writeGenesis } from "./genesis.ts";
import type { RuntimeVersion } from "./metadata/runtime-version.ts";
import { Admission, type BestChain } from "./pool/admission.ts";
import type { SignedExtrinsic } from "./pool/signed-extrinsic.ts";
import { type PoolOptions, TransactionPool } from "./pool/transaction-pool.ts";
import { RpcError, RpcErrorCode } from "./rpc/rpc-error.ts";
import type { RootAction } from "./runtime/root-action.ts";
import type { Runtime } from "./runtime-terms.ts";
import { PalletReader } from "./state/pallet-storage.ts";
import type { RuntimeCodec } from "./state/runtime-codec.ts";
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
  readonly pool: PoolOptions;
  /** Whether the pool refuses calls that the next block would refuse, as subtensor does since spec 417. */
  readonly poolChecks: boolean;
  /** Whether an epoch gives permits to those with the most stake. */
  readonly permitsByStake: boolean;
  /** Time of block 0 in milliseconds since 1970. */
  readonly genesisMillis: number;
}

/** What a block's arrival tells the chain's listeners. */
export interface BlockListener {
  /** Every block, also those of a branch that is not the best chain yet. */
  onBlock?(block: Block): void;
  /** Every new head; after a fork its number may be lower than the last one's. */
  onHead?(block: Block): void;
  onFinalized?(block: Block): void;
  onRuntime?(version: RuntimeVersion): void;
}

/** The state of one block, with what a read of it needs. */
export interface BlockState extends ListedState {
  readonly block: Block;
  /** The runtime that the block left behind. */
  readonly runtime: Runtime;
}

interface BlockPlan {
  readonly extrinsics: readonly SignedExtrinsic[];
  readonly timestamp: number;
  /** Number of the fork that the block's branch began with; null on the chain's first branch. */
  readonly fork: number | null;
}

/** Blocks, their state, forks of the newest of them, and the extrinsics that wait for the next block. */
export class Chain {
  readonly netuid: Netuid;
  readonly pool: TransactionPool;
  /** The way into the pool. */
  readonly admission: Admission;
  readonly finality: Finality;
  readonly #components: ChainComponents;
  readonly #options: ChainOptions;
  readonly #tree = new BlockTree();
  readonly #listeners = new Set<BlockListener>();
  #actions: RootAction[] = [];
  #nextRuntime: Runtime | null = null;
  #forks = 0;

  constructor(components: ChainComponents, options: ChainOptions) {
    this.netuid = components.genesis.netuid;
    this.finality = new Finality(options.finalityLag);
    this.#components = components;
    this.#options = options;
    const { runtime } = components;
    const state = new StateOverlay(this.#tree.headState());
    writeGenesis(runtime.codec, state, components.genesis);
    const contents = { parent: null, extrinsics: [], timestamp: options.genesisMillis, changes: state.changes };
    this.#tree.append({ block: sealBlock(runtime.codec, contents), runtime, actions: [] }, state.changes);
    const nextNonce = (signer: string) => this.#nonce(signer);
    this.pool = new TransactionPool({ nextNonce, now: () => this.head.timestamp }, options.pool);
    const { pool } = this;
    this.admission = new Admission({ pool, bestChain: () => this.#bestChain() }, { checksCalls: options.poolChecks });
  }

  /** Codec of the newest runtime. */
  get codec(): RuntimeCodec {
    return this.#tree.head.runtime.codec;
  }

  get runtimeVersion(): RuntimeVersion {
    return this.#tree.head.runtime.version;
  }

  get head(): Block {
    return this.#tree.head.block;
  }

  get finalized(): Block {
    return this.blockAt(this.finality.finalized);
  }

  /** @throws RangeError if the best chain has no such block. */
  blockAt(number: BlockNumber): Block {
    return this.#tree.at(number).block;
  }

  hashAt(number: BlockNumber): BlockHash | null {
    return this.#tree.hashAt(number);
  }

  /** The block of a hash, the head for none, null for an unknown hash. */
  find(hash: BlockHash | null): Block | null {
    return this.#find(hash)?.block ?? null;
  }

  /** The state as a block left it; a real node's error when the block is unknown or its state is gone. */
  stateAt(hash: BlockHash | null): BlockState {
    const grown = this.#find(hash);
    if (grown === null) {
      const reason = `Client error: UnknownBlock: Header was not found in the database: ${hash}`;
      throw new RpcError(RpcErrorCode.State, reason);
    }
    const { block, runtime } = grown;
    const state = this.#tree.stateOf(block);
    if (state === null) {
      const reason = `Client error: UnknownBlock: State already discarded for ${block.hash}`;
      throw new RpcError(RpcErrorCode.State, reason);
    }
    return { block, runtime, ...state };
  }

  /** Listens to new blocks until the returned function is called. */
  listen(listener: BlockListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Has the root do something in the next block. */
  act(action: RootAction): void {
    this.#actions.push(action);
  }

  /** Makes the next block the last one of the present runtime. */
  upgrade(runtime: Runtime): void {
    this.#nextRuntime = runtime;
  }

  /** Forgets the state of all blocks before `block`, which may be no later than the final one. */
  discardBefore(block: BlockNumber): void {
    if (block > this.finality.finalized) throw new RangeError(`block ${block} is not final`);
    this.#tree.discardBefore(block);
  }

  buildBlock(timestamp: number): Block {
    if (this.#nextRuntime !== null) this.pool.dropInvalid(() => false);
    const extrinsics = this.pool.takeReady(this.head.number + 1, this.admission.isCallValid);
    const { version } = this.#tree.head.runtime;
    const block = this.#grow({ extrinsics, timestamp, fork: null });
    if (this.runtimeVersion !== version) this.#tell("onRuntime", this.runtimeVersion);
    this.#tell("onBlock", block);
    this.#tell("onHead", block);
    this.pool.included(extrinsics, block);
    this.#finalize();
    return block;
  }

  /**
   * Builds a branch beside the newest blocks and makes it the best chain. Clients hear of its last block as the new
   * head, and of all its blocks where they asked for all.
   *
   * @param timestampAfter Time of a block of the branch by its parent.
   */
  fork(terms: ForkTerms, timestampAfter: (parent: Block) => number): Block {
    checkFork(terms, { head: this.head.number, finalized: this.finality.finalized });
    const { version } = this.#tree.head.runtime;
    const abandoned = this.#tree.leave(this.head.number - terms.depth);
    this.#actions.unshift(...abandoned.flatMap(({ actions }) => actions));
    this.#nextRuntime ??= abandonedUpgrade(this.#tree.head, abandoned);
    const returned = this.pool.retract(new Set(abandoned.map(({ block }) => block.hash)));
    if (terms.extrinsics === "lose") this.pool.forget(returned);
    this.#forks += 1;
    this.#growBranch(terms, returned, timestampAfter);
    if (this.runtimeVersion !== version) this.#tell("onRuntime", this.runtimeVersion);
    this.#tell("onHead", this.head);
    this.pool.dropInvalid(this.admission.isSignatureValid);
    this.pool.included([], this.head);
    this.#finalize();
    return this.head;
  }

  #growBranch(
    { length, extrinsics }: ForkTerms,
    returned: readonly SignedExtrinsic[],
    timestampAfter: (parent: Block) => number,
  ): void {
    for (let built = 0; built < length; built += 1) {
      const isFull = extrinsics === "reinclude" && built === 0;
      const included = isFull ? returned.filter(this.admission.isSignatureValid) : [];
      const block = this.#grow({ extrinsics: included, timestamp: timestampAfter(this.head), fork: this.#forks });
      this.#tell("onBlock", block);
      if (isFull) this.pool.included(included, block);
    }
  }

  /** Appends the next block to the best chain, without a word to anyone. */
  #grow({ extrinsics, timestamp, fork }: BlockPlan): Block {
    const parent = this.#tree.head;
    const actions = this.#actions.splice(0);
    const runtime = this.#nextRuntime ?? parent.runtime;
    const { block, changes } = buildBlock({
      codec: parent.runtime.codec,
      edition: parent.runtime.edition,
      netuid: this.netuid,
      parent: parent.block,
      parentState: this.#tree.headState(),
      actions,
      extrinsics,
      timestamp,
      fork,
      permitsByStake: this.#options.permitsByStake,
      beacon: this.#components.beacon,
      onBrokenCall: this.#components.onBrokenCall,
    });
    this.#nextRuntime = null;
    this.#tree.append({ block, runtime, actions }, changes);
    return block;
  }

  #finalize(): void {
    const { head } = this;
    if (this.finality.advance(head.number)) {
      this.#tell("onFinalized", this.finalized);
      this.pool.finalized(this.finality.finalized);
    }
    const { pruneAfterBlocks } = this.#options;
    if (pruneAfterBlocks === null) return;
    this.#tree.discardBefore(Math.min(this.finality.finalized, head.number - pruneAfterBlocks));
  }

  #tell<Kind extends keyof BlockListener>(kind: Kind, news: Parameters<NonNullable<BlockListener[Kind]>>[0]): void {
    for (const listener of [...this.#listeners]) {
      const hear = listener[kind] as ((news: unknown) => void) | undefined;
      hear?.call(listener, news);
    }
  }

  #find(hash: BlockHash | null): GrownBlock | null {
    return hash === null ? this.#tree.head : this.#tree.find(hash);
  }

  #bestChain(): BestChain {
    const { block, runtime } = this.#tree.head;
    return {
      runtime,
      head: block.number,
      state: this.#tree.headState(),
      hashAt: (number) => this.hashAt(number),
    };
  }

  #nonce(signer: string): number {
    const account = new PalletReader(this.codec, this.#tree.headState(), "System").read("Account", signer)?.toJSON();
    return (account as { readonly nonce: number }).nonce;
  }
}
