import type { BlockHash, BlockNumber, Hotkey } from "@assay/core/units";
import type { BlockProducer } from "./block-producer.ts";
import type { Chain } from "./chain.ts";
import type { ForkTerms } from "./fork.ts";
import { writeHyperparameters } from "./runtime/hyperparameters.ts";
import { deregister, register } from "./runtime/registration.ts";
import { palletOf } from "./runtime/root-action.ts";
import { createRuntime, type RuntimeTerms } from "./runtime-terms.ts";
import { PalletReader } from "./state/pallet-storage.ts";
import type { StorageKey, StorageValue } from "./state/state-history.ts";
import { StateOverlay } from "./state/state-overlay.ts";
import type { NewNeuron, SubnetRules } from "./subnet-terms.ts";

export type UpgradeTerms = Omit<RuntimeTerms, "blockMillis">;

export interface DevChainHead {
  readonly number: BlockNumber;
  readonly hash: BlockHash;
}

export interface DevControlsParts {
  readonly chain: Chain;
  readonly producer: BlockProducer;
  /** Time between blocks. */
  readonly blockMillis: number;
  /** Cuts every client's connection. */
  readonly dropConnections: () => void;
}

/**
 * Everything that a test can have go wrong on the chain, or change on it, while it runs. What is about state takes
 * effect in the next block. Nothing here is random.
 */
export class DevControls {
  readonly #components: DevControlsParts;

  constructor(components: DevControlsParts) {
    this.#components = components;
  }

  get head(): DevChainHead {
    const { number, hash } = this.#components.chain.head;
    return { number, hash };
  }

  get finalized(): DevChainHead {
    const { number, hash } = this.#components.chain.finalized;
    return { number, hash };
  }

  /** Hash of a block on the chain as it stands; null when it was not built yet. */
  hashAt(block: BlockNumber): BlockHash | null {
    return this.#components.chain.hashAt(block);
  }

  /** Builds one block now. */
  buildBlock(): DevChainHead {
    this.#components.producer.buildBlock();
    return this.head;
  }

  /** Builds blocks until the head is `block`. */
  buildUntil(block: BlockNumber): DevChainHead {
    while (this.head.number < block) this.buildBlock();
    return this.head;
  }

  /** Builds blocks no more until resumed; those asked for are built. */
  pause(): void {
    this.#components.producer.pause();
  }

  resume(): void {
    this.#components.producer.resume();
  }

  /** Leaves the next slots without a block: time goes on, the block number does not. */
  missBlocks(slots: number): void {
    atLeast(1, slots, "slots");
    this.#components.producer.missBlocks(slots);
  }

  /**
   * Abandons the newest `depth` blocks for a branch of `length` blocks (one more, when not given), which is the best
   * chain then. Their extrinsics wait again unless the terms say otherwise.
   *
   * @throws RangeError if one of those blocks is final.
   */
  fork({
    depth,
    length = depth + 1,
    extrinsics = "return",
  }: Partial<ForkTerms> & Pick<ForkTerms, "depth">): DevChainHead {
    this.#components.producer.fork({ depth, length, extrinsics });
    return this.head;
  }

  /** No block becomes final until {@link resumeFinality}. */
  stallFinality(): void {
    this.#components.chain.finality.stall();
  }

  /** With the next block, all that is as old as the lag asks becomes final at once. */
  resumeFinality(): void {
    this.#components.chain.finality.resume();
  }

  /** Blocks between the head and the newest final block; at least 1. What is final stays final. */
  setFinalityLag(blocks: number): void {
    atLeast(1, blocks, "finalityLag");
    this.#components.chain.finality.setLag(blocks);
  }

  /** Makes the next block the last one of the present runtime. What waits in the pool is invalid then, as signatures name the runtime. */
  upgradeRuntime(terms: UpgradeTerms): void {
    const { chain, blockMillis } = this.#components;
    chain.upgrade(createRuntime({ ...terms, blockMillis }));
  }

  /**
   * Discards the state of all blocks before `block`.
   *
   * @throws RangeError if `block` is not final.
   */
  pruneBelow(block: BlockNumber): void {
    this.#components.chain.discardBefore(block);
  }

  /** Has the pool lose all that waits; watchers hear `dropped`. Returns how many. */
  dropPool(): number {
    return this.#components.chain.pool.dropAll();
  }

  /** Whether the pool refuses calls before any block, as since spec 417, or leaves that to the block. */
  setPoolChecks(poolChecks: boolean): void {
    this.#components.chain.admission.setChecksCalls(poolChecks);
  }

  /** Cuts every client's connection; clients may connect again. */
  dropConnections(): void {
    this.#components.dropConnections();
  }

  /**
   * Registers a hotkey, at a given slot or where the chain would put it; whoever has the slot loses it.
   *
   * @throws RangeError if it is registered, or the slot lies beyond the next free one.
   */
  register(neuron: NewNeuron): void {
    this.#act(register(neuron));
  }

  /**
   * Gives a hotkey's slot to an account that nobody has the key of.
   *
   * @throws RangeError if it is not registered.
   */
  deregister(hotkey: Hotkey): void {
    this.#act(deregister(hotkey));
  }

  /** Changes rules of the subnet, the tempo among them. */
  setHyperparameters(rules: Partial<SubnetRules>): void {
    this.#act(writeHyperparameters(rules));
  }

  /** Has the next epoch begin with a given block, unless it is due before. */
  scheduleEpoch(block: BlockNumber): void {
    const { chain } = this.#components;
    if (block <= chain.head.number) throw new RangeError(`block ${block} is past`);
    this.#act((scope) => palletOf(scope, "SubtensorModule").put("PendingEpochAt", [scope.netuid], block));
  }

  /** A storage value as plain JSON at a block, the head when not given. */
  readStorage(pallet: string, item: string, keys: readonly unknown[], at?: BlockHash): unknown {
    const { chain } = this.#components;
    return new PalletReader(chain.codec, chain.stateAt(at ?? null), pallet).read(item, ...keys)?.toJSON() ?? null;
  }

  /** Makes the next block write a value; null removes the key. */
  writeStorage(pallet: string, item: string, keys: readonly unknown[], value: unknown): void {
    this.#act((scope) => {
      const storage = palletOf(scope, pallet);
      if (value === null) storage.remove(item, keys);
      else storage.put(item, keys, value);
    });
  }

  /** The same with bytes that need not be a value of the item's type. */
  writeBytes(pallet: string, item: string, keys: readonly unknown[], bytes: StorageValue): void {
    this.#act(({ codec, state }) => state.set(codec.storageKey(pallet, item, keys), bytes));
  }

  /** The same by the raw key, with the value's SCALE bytes. */
  writeKey(key: StorageKey, value: StorageValue | null): void {
    this.#act(({ state }) => state.set(key, value));
  }

  /** Tries an action on the head's state first, so that its caller hears of a mistake. */
  #act(action: Parameters<Chain["act"]>[0]): void {
    const { chain } = this.#components;
    const state = new StateOverlay(chain.stateAt(null));
    action({ codec: chain.codec, netuid: chain.netuid, block: chain.head.number + 1, state });
    chain.act(action);
  }
}

function atLeast(least: number, value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`${name} must be at least ${least}`);
}
