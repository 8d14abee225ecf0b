import type { StateChanges, StateReader, StorageKey, StorageValue } from "./state-history.ts";

/** Writes over a state that stay apart until they are taken over or thrown away. */
export class StateOverlay implements StateReader {
  readonly #below: StateReader;
  readonly #changes = new Map<StorageKey, StorageValue | null>();

  constructor(below: StateReader) {
    this.#below = below;
  }

  get changes(): StateChanges {
    return this.#changes;
  }

  get(key: StorageKey): StorageValue | null {
    const changed = this.#changes.get(key);
    return changed === undefined ? this.#below.get(key) : changed;
  }

  /** Stores a value, or removes the key when it is null. */
  set(key: StorageKey, value: StorageValue | null): void {
    this.#changes.set(key, value);
  }

  /** Repeats the writes of another overlay on this one. */
  take(changes: StateChanges): void {
    for (const [key, value] of changes) this.#changes.set(key, value);
  }
}
