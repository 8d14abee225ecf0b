import type { BlockHash, BlockNumber, Hotkey } from "@assay/core/units";
import { invalidTransaction, RpcError, RpcErrorCode } from "../rpc/rpc-error.ts";
import { BanList } from "./ban-list.ts";
import type { StatusListener } from "./extrinsic-status.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";

export interface PoolOptions {
  /** Extrinsics that may wait at once. */
  readonly limit: number;
  /** How long what proved invalid, was pushed out or is in a block is not looked at again, by the chain's time. */
  readonly banMillis: number;
  /** Whether watchers hear that other nodes were told. */
  readonly broadcasts: boolean;
}

interface Components {
  readonly nextNonce: (signer: Hotkey) => number;
  /** The chain's time in milliseconds since 1970. */
  readonly now: () => number;
}

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

/** Blocks that a real pool waits for an extrinsic's block to become final. */
const FINALITY_PATIENCE_BLOCKS = 512;
const PEER = "12D3KooWDevelopmentChainHasNoPeerButThisOneOfItsOwn";

/** Extrinsics on their way into a block, and those in blocks that are not final yet. */
export class TransactionPool {
  readonly #chain: Components;
  readonly #options: PoolOptions;
  readonly #bans: BanList;
  #pending: PoolEntry[] = [];
  #included: IncludedEntry[] = [];

  constructor(chain: Components, options: PoolOptions) {
    this.#chain = chain;
    this.#options = options;
    this.#bans = new BanList(options.banMillis);
  }

  get pending(): readonly SignedExtrinsic[] {
    return this.#pending.map(({ extrinsic }) => extrinsic);
  }

  /** The nonce that an account should use next: the chain's plus those that follow on in the pool. */
  nextIndex(signer: Hotkey): number {
    let nonce = this.#chain.nextNonce(signer);
    while (this.#find(signer, nonce) !== undefined) nonce += 1;
    return nonce;
  }

  /** What a real pool looks at first, whatever the bytes are. */
  refuseKnown(hash: string): void {
    if (this.#bans.has(hash, this.#chain.now())) {
      throw new RpcError(RpcErrorCode.TemporarilyBanned, "Transaction is temporarily banned");
    }
    if (this.#pending.some(({ extrinsic }) => extrinsic.hash === hash)) {
      throw new RpcError(RpcErrorCode.AlreadyImported, "Transaction Already Imported", `"${hash}"`);
    }
  }

  /** Has an extrinsic of this hash refused for a while. */
  ban(hash: string): void {
    this.#bans.ban(hash, this.#chain.now());
  }

  /** Takes an extrinsic in or refuses it with the error of a real node's pool. */
  add(extrinsic: SignedExtrinsic, onStatus: StatusListener | null): void {
    const { signer, nonce } = extrinsic;
    if (nonce < this.#chain.nextNonce(signer)) throw invalidTransaction("Transaction is outdated");
    const rival = this.#find(signer, nonce);
    if (rival !== undefined) this.#usurp(rival, extrinsic);
    else if (this.#pending.length >= this.#options.limit) this.#makeRoom(extrinsic);
    const entry: PoolEntry = { extrinsic, onStatus, isReady: false };
    this.#pending.push(entry);
    this.#promote(signer);
    if (!entry.isReady) onStatus?.("future");
  }

  /**
   * Extrinsics that the next block executes: each account's in the order of its nonces. Drops those that died, and those
   * that `isValid` denies, as pools check again what they hold.
   */
  takeReady(block: BlockNumber, isValid: (extrinsic: SignedExtrinsic) => boolean): readonly SignedExtrinsic[] {
    const isDead = ({ extrinsic: { diesAt, nonce, signer } }: PoolEntry) =>
      (diesAt !== null && block >= diesAt) || nonce < this.#chain.nextNonce(signer);
    this.#sift((entry) => !isDead(entry) && (!entry.isReady || isValid(entry.extrinsic)));
    const signers = new Set(this.#pending.map(({ extrinsic }) => extrinsic.signer));
    return [...signers].flatMap((signer) => this.#consecutive(signer).map(({ extrinsic }) => extrinsic));
  }

  /** Drops all that can never be in a block, such as what names a runtime that is gone. */
  dropInvalid(isValid: (extrinsic: SignedExtrinsic) => boolean): void {
    this.#sift(({ extrinsic }) => isValid(extrinsic));
  }

  /** Loses all that waits; watchers hear of it. Returns how many. */
  dropAll(): number {
    const dropped = this.#pending.splice(0);
    for (const { onStatus } of dropped) onStatus?.("dropped");
    return dropped.length;
  }

  /** Tells the watchers that their extrinsics are in a block, and what can follow them that it is ready. */
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
      this.ban(entry.extrinsic.hash);
      entry.onStatus?.({ inBlock: block.hash });
    }
    this.#giveUp(block.number - FINALITY_PATIENCE_BLOCKS);
    for (const signer of new Set(this.#pending.map(({ extrinsic }) => extrinsic.signer))) this.#promote(signer);
  }

  finalized(block: BlockNumber): void {
    const final = this.#included.filter((item) => item.block <= block);
    this.#included = this.#included.filter((item) => item.block > block);
    for (const { entry, hash } of final) entry.onStatus?.({ finalized: hash });
  }

  /** Tells the watchers that these blocks were abandoned. Returns the blocks' extrinsics, which wait again. */
  retract(blocks: ReadonlySet<BlockHash>): readonly SignedExtrinsic[] {
    const retracted = this.#included.filter(({ hash }) => blocks.has(hash));
    this.#included = this.#included.filter(({ hash }) => !blocks.has(hash));
    for (const { entry, hash } of retracted) {
      entry.isReady = false;
      this.#bans.lift(entry.extrinsic.hash);
      entry.onStatus?.({ retracted: hash });
    }
    const entries = retracted.map(({ entry }) => entry);
    this.#pending.unshift(...entries);
    return entries.map(({ extrinsic }) => extrinsic);
  }

  /** Loses extrinsics without a word to anyone, as a node does that was restarted. */
  forget(extrinsics: readonly SignedExtrinsic[]): void {
    this.#pending = this.#pending.filter(({ extrinsic }) => !extrinsics.includes(extrinsic));
  }

  #find(signer: Hotkey, nonce: number): PoolEntry | undefined {
    return this.#pending.find(({ extrinsic }) => extrinsic.signer === signer && extrinsic.nonce === nonce);
  }

  #consecutive(signer: Hotkey): readonly PoolEntry[] {
    const entries: PoolEntry[] = [];
    const first = this.#chain.nextNonce(signer);
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
      if (this.#options.broadcasts) entry.onStatus?.({ broadcast: [PEER] });
    }
  }

  /** A higher tip takes the place of what has the same nonce. */
  #usurp(rival: PoolEntry, { hash, tip }: SignedExtrinsic): void {
    if (tip <= rival.extrinsic.tip) {
      const reason = "The transaction has too low priority to replace another transaction already in the pool.";
      const message = `Priority is too low: (${rival.extrinsic.tip} vs ${tip})`;
      throw new RpcError(RpcErrorCode.PriorityTooLow, message, reason);
    }
    this.#pending = this.#pending.filter((entry) => entry !== rival);
    rival.onStatus?.({ usurped: hash });
  }

  /** A full pool pushes out its least tip, the newest of equal ones, which may be the newcomer itself. */
  #makeRoom({ hash, tip }: SignedExtrinsic): void {
    const least = this.#pending.reduce<PoolEntry | null>(
      (found, entry) => (found === null || entry.extrinsic.tip <= found.extrinsic.tip ? entry : found),
      null,
    );
    if (least === null || tip <= least.extrinsic.tip) {
      this.ban(hash);
      const reason = "The transaction couldn't enter the pool because of the limit";
      throw new RpcError(RpcErrorCode.PoolFull, "Immediately Dropped", reason);
    }
    this.#pending = this.#pending.filter((entry) => entry !== least);
    this.ban(least.extrinsic.hash);
    least.onStatus?.("dropped");
  }

  #sift(isKept: (entry: PoolEntry) => boolean): void {
    const gone = this.#pending.filter((entry) => !isKept(entry));
    this.#pending = this.#pending.filter((entry) => !gone.includes(entry));
    for (const { extrinsic, onStatus } of gone) {
      this.ban(extrinsic.hash);
      onStatus?.("invalid");
    }
  }

  #giveUp(block: BlockNumber): void {
    const late = this.#included.filter((item) => item.block <= block);
    this.#included = this.#included.filter((item) => item.block > block);
    for (const { entry, hash } of late) entry.onStatus?.({ finalityTimeout: hash });
  }
}
