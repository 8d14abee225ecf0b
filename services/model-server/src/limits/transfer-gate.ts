import { Tally } from "./tally.ts";

export interface TransferGateLimits {
  readonly maxInFlight: number;
  readonly maxPerHotkey: number;
  readonly maxPerNetwork: number;
  readonly maxWaiting: number;
  readonly maxWaitMillis: number;
}

/** On whose account a transfer goes. */
export interface TransferParty {
  /** Null when none is named. Mostly only claimed, so it counts together with the network that claims it. */
  readonly hotkey: string | null;
  /** {@link clientNetwork} of the caller. */
  readonly network: string;
}

/**
 * Why a transfer may not begin: the party has its share under way and waiting; the queue is full; it waited too long;
 * the server is stopping; the client went away meanwhile.
 */
export type TransferDenial = "share_used" | "queue_full" | "wait_too_long" | "stopping" | "gone";

/** A transfer's place among those in flight. */
export interface TransferSlot {
  /** Aborted when the transfer must end now. */
  readonly signal: AbortSignal;
  /** May be called twice. */
  release(): void;
}

interface Waiter {
  readonly party: TransferParty;
  readonly end: (result: TransferSlot | TransferDenial) => void;
}

/**
 * Bounds how many transfers run at a time: in all, per network and per hotkey of a network.
 *
 * Others wait, the first come first, but nobody behind a party that has its share. A party may have as many waiting as
 * in flight, so it cannot fill the queue either.
 */
export class TransferGate {
  readonly #limits: TransferGateLimits;
  readonly #inFlight = new Map<TransferSlot, AbortController>();
  readonly #waiting = new Set<Waiter>();
  readonly #running = new Tally();
  readonly #queued = new Tally();
  #drained: PromiseWithResolvers<void> | null = null;

  constructor(limits: TransferGateLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether no transfer may begin any more. */
  get stopping(): boolean {
    return this.#drained !== null;
  }

  /** A place among the transfers in flight, at once or after waiting; or why there is none. */
  async enter(party: TransferParty, signal: AbortSignal): Promise<TransferSlot | TransferDenial> {
    if (signal.aborted) {
      return "gone";
    }
    if (this.stopping) {
      return "stopping";
    }
    if (this.#hasRoom(party)) {
      return this.#begin(party);
    }
    if (!this.#isWithinShare(this.#queued, party)) {
      return "share_used";
    }
    return this.#waiting.size < this.#limits.maxWaiting ? await this.#wait(party, signal) : "queue_full";
  }

  /** Lets nothing begin any more, waits for what is in flight, and cuts what is still there after `graceMillis`. */
  async drain(graceMillis: number): Promise<void> {
    this.#drained ??= Promise.withResolvers();
    for (const { end } of [...this.#waiting]) {
      end("stopping");
    }
    this.#noteEnd();
    const timer = setTimeout(() => this.#cutAll(), graceMillis);
    await this.#drained.promise;
    clearTimeout(timer);
  }

  async #wait(party: TransferParty, signal: AbortSignal): Promise<TransferSlot | TransferDenial> {
    const { promise, resolve } = Promise.withResolvers<TransferSlot | TransferDenial>();
    // Leaves the queue at once: whoever is in it may be given a place.
    const end = (result: TransferSlot | TransferDenial) => {
      this.#waiting.delete(waiter);
      resolve(result);
    };
    const waiter: Waiter = { party, end };
    const leave = () => end("gone");
    const timer = setTimeout(() => end("wait_too_long"), this.#limits.maxWaitMillis);
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.add(waiter);
    this.#queued.add(keysOf(party), 1);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      this.#queued.add(keysOf(party), -1);
    }
  }

  #begin(party: TransferParty): TransferSlot {
    const cut = new AbortController();
    const slot: TransferSlot = { signal: cut.signal, release: () => this.#end(slot, party) };
    this.#inFlight.set(slot, cut);
    this.#running.add(keysOf(party), 1);
    return slot;
  }

  #end(slot: TransferSlot, party: TransferParty): void {
    if (!this.#inFlight.delete(slot)) {
      return;
    }
    this.#running.add(keysOf(party), -1);
    this.#noteEnd();
    for (const waiter of [...this.#waiting]) {
      if (this.#hasRoom(waiter.party)) {
        waiter.end(this.#begin(waiter.party));
      }
    }
  }

  #hasRoom(party: TransferParty): boolean {
    return this.#inFlight.size < this.#limits.maxInFlight && this.#isWithinShare(this.#running, party);
  }

  #isWithinShare(tally: Tally, party: TransferParty): boolean {
    const { maxPerHotkey, maxPerNetwork } = this.#limits;
    const [network, hotkey] = keysOf(party);
    return tally.of(network) < maxPerNetwork && (hotkey === undefined || tally.of(hotkey) < maxPerHotkey);
  }

  #noteEnd(): void {
    if (this.#inFlight.size === 0) {
      this.#drained?.resolve();
    }
  }

  #cutAll(): void {
    for (const cut of this.#inFlight.values()) {
      cut.abort(new Error("The server is stopping"));
    }
  }
}

type PartyKeys = readonly [network: string] | readonly [network: string, hotkey: string];

function keysOf({ hotkey, network }: TransferParty): PartyKeys {
  return hotkey === null ? [network] : [network, `${hotkey}@${network}`];
}
