import type { BlockHash, BlockNumber } from "@assay/core/units";
import type { RootAction } from "../runtime/root-action.ts";
import type { Runtime } from "../runtime-terms.ts";
import {
  type StateChanges,
  StateHistory,
  type StateReader,
  type StorageKey,
  type StorageValue,
} from "../state/state-history.ts";
import type { Block } from "./block.ts";

/** A block with what the chain must know of it besides. */
export interface GrownBlock {
  readonly block: Block;
  /** The runtime that it left behind for the next one. */
  readonly runtime: Runtime;
  /** What the chain's root did in it. */
  readonly actions: readonly RootAction[];
}

/** The state as one block left it. */
export interface ListedState extends StateReader {
  keys(prefix: string): readonly StorageKey[];
}

/**
 * The best chain, from block 0 to its head, and what forks made of it: abandoned blocks are found by their hashes and
 * their states stay readable until they are discarded.
 */
export class BlockTree {
  readonly #history = new StateHistory();
  readonly #best: GrownBlock[] = [];
  readonly #byHash = new Map<BlockHash, GrownBlock>();
  /** What each abandoned block wrote, over the state of its parent. */
  readonly #abandoned = new Map<BlockHash, StateChanges>();

  get head(): GrownBlock {
    return this.at(this.#best.length - 1);
  }

  /** First block of the best chain whose state is kept. */
  get oldestState(): BlockNumber {
    return this.#history.oldestBlock;
  }

  /** @throws RangeError if the best chain has no such block. */
  at(number: BlockNumber): GrownBlock {
    const grown = this.#best[number];
    if (grown === undefined) throw new RangeError(`there is no block ${number}`);
    return grown;
  }

  hashAt(number: BlockNumber): BlockHash | null {
    return this.#best[number]?.block.hash ?? null;
  }

  /** The block of a hash, of the best chain or abandoned; null for an unknown hash. */
  find(hash: BlockHash): GrownBlock | null {
    return this.#byHash.get(hash) ?? null;
  }

  /** Reads the head's state, also when that is a later block than now. */
  headState(): StateReader {
    return { get: (key) => this.#history.get(key, this.#best.length - 1) };
  }

  /** Null when the state was discarded. */
  stateOf({ number, hash, header }: Block): ListedState | null {
    if (this.hashAt(number) === hash) return number < this.oldestState ? null : this.#bestState(number);
    const changes = this.#abandoned.get(hash);
    const parent = this.find(header.parentHash);
    const below = parent === null ? null : this.stateOf(parent.block);
    return changes === undefined || below === null ? null : stateOver(below, changes);
  }

  /** Makes a child of the head the new head. */
  append(grown: GrownBlock, changes: StateChanges): void {
    const { number, hash } = grown.block;
    this.#history.commit(number, changes);
    this.#best.push(grown);
    this.#byHash.set(hash, grown);
  }

  /** Abandons every block after `base`, which is the head then. Returns them, the oldest first. */
  leave(base: BlockNumber): readonly GrownBlock[] {
    const abandoned = this.#best.splice(base + 1);
    for (const { block } of abandoned.toReversed())
      this.#abandoned.set(block.hash, this.#history.takeBack(block.number));
    return abandoned;
  }

  /** Forgets the states of all blocks before `block`, and those of branches that left the best chain before it. */
  discardBefore(block: BlockNumber): void {
    this.#history.discardBefore(block);
    for (const hash of this.#abandoned.keys()) {
      const grown = this.find(hash);
      if (grown !== null && this.stateOf(grown.block) === null) this.#abandoned.delete(hash);
    }
  }

  #bestState(number: BlockNumber): ListedState {
    return {
      get: (key) => this.#history.get(key, number),
      keys: (prefix) => this.#history.keys(prefix, number),
    };
  }
}

function stateOver(below: ListedState, changes: StateChanges): ListedState {
  const read = (key: StorageKey): StorageValue | null => {
    const changed = changes.get(key);
    return changed === undefined ? below.get(key) : changed;
  };
  return {
    get: read,
    keys: (prefix) => {
      const written = [...changes.keys()].filter((key) => key.startsWith(prefix));
      return [...new Set([...below.keys(prefix), ...written])].filter((key) => read(key) !== null).sort();
    },
  };
}
