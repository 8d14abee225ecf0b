import type { BlockHash, BlockNumber, Hotkey } from "@assay/core/units";
import { invalidTransaction, RpcError, RpcErrorCode } from "../rpc/rpc-error.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";

/** What a watcher of an extrinsic hears, in the form of the RPC's notifications. */
export type ExtrinsicStatus =
  | "future"
  | "ready"
  | "invalid"
  | { readonly inBlock: BlockHash }
  | { readonly finalized: BlockHash };
export type StatusListener = (status: ExtrinsicStatus) => void;

interface PoolEntry {
  readonly extrinsic: SignedExtrinsic;
  readonly onStatus: StatusListener | null;
  isReady: boolean;
}

interface IncludedEntry {
  readonly entry: PoolEntry;
  readonly block: BlockNumber;
  readonly hash: BlockHash;
}

/** Extrinsics on their way into a block, and those in blocks that are not final yet. */
export class TransactionPool {
  readonly #nextNonce: (signer: Hotkey) => number;
  readonly #limit: number;
  #pending: PoolEntry[] = [];
  #included: IncludedEntry[] = [];

  constructor(chain: { readonly nextNonce: (signer: Hotkey) => number }, options: { readonly limit: number }) {
    this.#nextNonce = chain.nextNonce;
    this.#limit = options.limit;
  }

  get pending(): readonly SignedExtrinsic[] {
    return this.#pending.map(({ extrinsic }) => extrinsic);
  }

  /** The nonce that an account should use next: the chain's plus those that follow on in the pool. */
  nextIndex(signer: Hotkey): number {
    let nonce = this.#nextNonce(signer);
    while (this.#find(signer, nonce) !== undefined) nonce += 1;
    return nonce;
  }

  /** Takes an extrinsic in or refuses it with the error of a real node's pool. */
  add(extrinsic: SignedExtrinsic, onStatus: StatusListener | null): void {
    const { signer, nonce, hash } = extrinsic;
    if (nonce < this.#nextNonce(signer)) throw invalidTransaction("Transaction is outdated");
    const rival = this.#find(signer, nonce);
    if (rival?.extrinsic.hash === hash) {
      throw new RpcError(RpcErrorCode.AlreadyImported, "Transaction Already Imported", `"${hash}"`);
    }
    if (rival !== undefined) {
      const reason = "The transaction has too low priority to replace another transaction already in the pool.";
      throw new RpcError(RpcErrorCode.PriorityTooLow, "Priority is too low: (0 vs 0)", reason);
    }
    if (this.#pending.length >= this.#limit) {
      throw new RpcError(RpcErrorCode.PoolFull, "Immediately Dropped", "The transaction couldn't enter the pool.");
    }
    const entry: PoolEntry = { extrinsic, onStatus, isReady: false };
    this.#pending.push(entry);
    this.#promote(signer);
    if (!entry.isReady) onStatus?.("future");
  }

  /** Extrinsics that the next block executes: each account's in the order of its nonces. Drops those that died. */
  takeReady(block: BlockNumber): readonly SignedExtrinsic[] {
    this.#dropDead(block);
    const signers = new Set(this.#pending.map(({ extrinsic }) => extrinsic.signer));
    return [...signers].flatMap((signer) => this.#consecutive(signer).map(({ extrinsic }) => extrinsic));
  }

  /** Drops all that waits: a new runtime does not accept signatures that name the one before. */
  dropAll(): void {
    for (const { onStatus } of this.#pending.splice(0)) onStatus?.("invalid");
  }

  /** Tells the watchers that their extrinsics are in a block, and that a later block made older ones final. */
  included(
    extrinsics: readonly SignedExtrinsic[],
    block: { readonly number: BlockNumber; readonly hash: BlockHash },
  ): void {
    const included = new Set(extrinsics);
    const isIncluded = ({ extrinsic }: PoolEntry) => included.has(extrinsic);
    const entries = this.#pending.filter(isIncluded);
    this.#pending = this.#pending.filter((entry) => !isIncluded(entry));
    for (const entry of entries) {
      this.#included.push({ entry, block: block.number, hash: block.hash });
      entry.onStatus?.({ inBlock: block.hash });
    }
    for (const signer of new Set(this.#pending.map(({ extrinsic }) => extrinsic.signer))) this.#promote(signer);
  }

  finalized(block: BlockNumber): void {
    const final = this.#included.filter((item) => item.block <= block);
    this.#included = this.#included.filter((item) => item.block > block);
    for (const { entry, hash } of final) entry.onStatus?.({ finalized: hash });
  }

  #find(signer: Hotkey, nonce: number): PoolEntry | undefined {
    return this.#pending.find(({ extrinsic }) => extrinsic.signer === signer && extrinsic.nonce === nonce);
  }

  #consecutive(signer: Hotkey): readonly PoolEntry[] {
    const entries: PoolEntry[] = [];
    const first = this.#nextNonce(signer);
    for (let entry = this.#find(signer, first); entry !== undefined; ) {
      entries.push(entry);
      entry = this.#find(signer, first + entries.length);
    }
    return entries;
  }

  #promote(signer: Hotkey): void {
    for (const entry of this.#consecutive(signer)) {
      if (entry.isReady) continue;
      entry.isReady = true;
      entry.onStatus?.("ready");
    }
  }

  /** Of entries no block can include any more: past their era, or with a nonce that was used. */
  #dropDead(block: BlockNumber): void {
    const isDead = ({ extrinsic: { diesAt, nonce, signer } }: PoolEntry) =>
      (diesAt !== null && block >= diesAt) || nonce < this.#nextNonce(signer);
    const dead = this.#pending.filter(isDead);
    this.#pending = this.#pending.filter((entry) => !dead.includes(entry));
    for (const { onStatus } of dead) onStatus?.("invalid");
  }
}
