import type { BlockNumber, Hotkey } from "@assay/core/units";
import type { ExtrinsicReceipt, SubmissionProgress, SubmissionState, SubmitOptions } from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { Bell } from "./bell.ts";
import type { ChainConnection } from "./connection.ts";
import { dispatchErrorOf } from "./dispatch-result.ts";
import { finalBlockWith } from "./final-block.ts";
import type { HeadFollower } from "./heads.ts";
import { type PoolNews, poolMeaning, sendToPool } from "./pool-watch.ts";
import type { ChainSession } from "./session.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";
import { numberOf, storageAt } from "./storage.ts";

/** How one signed extrinsic ended. `gone` and `expired` ones can never land any more, so it is safe to sign anew. */
export type Verdict =
  | { readonly kind: "landed"; readonly receipt: ExtrinsicReceipt }
  | { readonly kind: "refused"; readonly error: ChainError }
  | { readonly kind: "gone"; readonly error: ChainError }
  | { readonly kind: "expired" };

interface Components {
  readonly connection: ChainConnection;
  readonly heads: HeadFollower;
  readonly onState: SubmitOptions["onState"];
}

interface Terms {
  readonly signed: SignedExtrinsic;
  /** Signs the same call for the same nonce and last block once more; null when the runtime changed meanwhile. */
  readonly signAnew: () => Promise<SignedExtrinsic | null>;
  readonly signer: Hotkey;
  /** Final block before which the extrinsic cannot be, because it was not signed yet. */
  readonly searchAfter: BlockNumber;
  readonly finalityStallMillis: number;
}

/**
 * One call on its way, as one nonce.
 *
 * The bodies of final blocks alone decide whether it landed; the pool's news only tell when to look after it. So a lost
 * connection, a silent pool or a fork cost time and nothing else: the same bytes are handed in again, which cannot make
 * them land twice. Where a pool has banned them, the call is signed once more for the same nonce: only one of all
 * extrinsics with one nonce can land.
 */
export class Submission {
  readonly #components: Components;
  readonly #terms: Terms;
  readonly #bell = new Bell();
  readonly #news: PoolNews[] = [];
  /** Extrinsics of this call and nonce, the newest last. */
  readonly #signed: SignedExtrinsic[];
  #session: ChainSession | null = null;
  #state: SubmissionState | null = null;
  #lost = false;
  #nonceInDoubt = false;
  /** Whether a pool has or may have taken an extrinsic: from then on only final blocks tell that it did not land. */
  #isOut = false;
  /** Why a pool did not want an extrinsic any more that was out already. */
  #refusal: ChainError | null = null;
  #searched: BlockNumber;
  #resentAt: BlockNumber = -1;

  constructor(components: Components, terms: Terms) {
    this.#components = components;
    this.#terms = terms;
    this.#signed = [terms.signed];
    this.#searched = terms.searchAfter;
  }

  /** Gives the newest extrinsic to the pool behind this session. A pool that has it already counts as success. */
  async handIn(session: ChainSession): Promise<void> {
    try {
      await sendToPool(session, this.#newest, (news) => {
        this.#news.push(news);
        this.#bell.ring();
      });
    } catch (error) {
      this.#isOut ||= isConnectionFailure(error);
      if (!(error instanceof ChainError) || poolMeaning(error) !== "held") throw error;
    }
    this.#isOut = true;
    this.#session = session;
    this.#lost = false;
    this.report("ready");
  }

  report(state: SubmissionState, where: Partial<ExtrinsicReceipt> = {}): void {
    if (state === this.#state) return;
    this.#state = state;
    const { hash, nonce, specVersion } = this.#newest;
    const progress: SubmissionProgress = { extrinsicHash: hash, nonce, specVersion };
    this.#components.onState?.(state, { ...progress, ...where });
  }

  /** Follows the extrinsic until it is final, refused, or can no longer land. */
  async verdict(signal: AbortSignal): Promise<Verdict> {
    const { heads, connection } = this.#components;
    const endings = [heads.onHead, heads.onFinalized].map((subscribe) => subscribe.call(heads, this.#bell.ring));
    endings.push(connection.onSession(this.#bell.ring));
    try {
      return await this.#follow(signal);
    } finally {
      for (const end of endings) end();
    }
  }

  async #follow(signal: AbortSignal): Promise<Verdict> {
    const { heads } = this.#components;
    let final = heads.finalizedHead().number;
    let finalSince = performance.now();
    for (;;) {
      const verdict = await this.#look();
      if (verdict !== null) return verdict;
      const patience = this.#terms.finalityStallMillis - (performance.now() - finalSince);
      if (patience <= 0) throw stalled(this.#terms.signed, final);
      await this.#bell.wait(patience, signal);
      if (heads.finalizedHead().number > final) {
        final = heads.finalizedHead().number;
        finalSince = performance.now();
      }
    }
  }

  /** One look at the chain; null when there is nothing to say yet, also because the connection failed meanwhile. */
  async #look(): Promise<Verdict | null> {
    try {
      const session = await this.#components.connection.session();
      await this.#readNews(session);
      const final = this.#components.heads.finalizedHead();
      const landed = await this.#search(session, final.number);
      if (landed !== null) return landed;
      if (final.number >= this.#newest.lastBlock) return this.#expired();
      if (await this.#isVoid(session, final.hash)) return gone(runtimeChanged(this.#terms.signed));
      if (this.#nonceInDoubt && (await this.#nonceIsUsed(session, final.hash))) return gone(nonceConflict());
      return await this.#resendIfLost(session);
    } catch (error) {
      if (isConnectionFailure(error)) return null;
      throw error;
    }
  }

  async #readNews(session: ChainSession): Promise<void> {
    for (let news = this.#news.shift(); news !== undefined; news = this.#news.shift()) {
      // The newest word counts: an abandoned block's extrinsic may be in the pool or in a block again.
      this.#lost = news.kind === "lost";
      if (news.kind === "ready") this.report("ready");
      if (news.kind === "in_block") {
        const header = await session.request<{ readonly number: string } | null>("chain_getHeader", [news.blockHash]);
        const where = header === null ? {} : { block: Number(header.number), blockHash: news.blockHash };
        this.report("in_block", where);
      }
    }
  }

  async #search(session: ChainSession, final: BlockNumber): Promise<Verdict | null> {
    const found = await finalBlockWith(
      session,
      this.#signed.map(({ hex }) => hex),
      { after: this.#searched, upTo: final },
    );
    if (found === null) {
      this.#searched = Math.max(this.#searched, final);
      return null;
    }
    const { block, blockHash, index, hex } = found;
    const { hash } = this.#signed.find((each) => each.hex === hex) ?? this.#newest;
    const error = await dispatchErrorOf(session, blockHash, index);
    this.report("finalized", { block, blockHash });
    return error === null ? { kind: "landed", receipt: { hash, block, blockHash } } : { kind: "refused", error };
  }

  /** Whether a final block enacted another runtime than the signature names: no later block takes the extrinsic then. */
  async #isVoid(session: ChainSession, finalHash: string): Promise<boolean> {
    const { specVersion } = this.#terms.signed;
    if (session.specVersion === specVersion) return false;
    const final = await session.request<{ readonly specVersion: number }>("state_getRuntimeVersion", [finalHash]);
    return final.specVersion !== specVersion;
  }

  /** Whether a final block has used up our nonce; as none of them holds our extrinsic, somebody else's did. */
  async #nonceIsUsed(session: ChainSession, finalHash: string): Promise<boolean> {
    const storage = await storageAt(session, finalHash);
    const account = await storage.item("system", "account")(this.#terms.signer);
    const nonce = "nonce" in account ? account.nonce : null;
    return numberOf(nonce as Parameters<typeof numberOf>[0]) > this.#terms.signed.nonce;
  }

  /** Hands the extrinsic in again, at most once per block, when its pool lost it or its session ended. */
  async #resendIfLost(session: ChainSession): Promise<Verdict | null> {
    const head = this.#components.heads.head().number;
    if ((!this.#lost && this.#session === session) || this.#resentAt === head) return null;
    if (head >= this.#newest.lastBlock) return null;
    this.#resentAt = head;
    try {
      await this.handIn(session);
      return null;
    } catch (error) {
      if (!(error instanceof ChainError) || isConnectionFailure(error)) throw error;
      return await this.#judge(error, session);
    }
  }

  /** What follows from a pool's refusal, by what it means; null when the extrinsic is to be followed on. */
  async #judge(error: ChainError, session: ChainSession): Promise<Verdict | null> {
    const meaning = poolMeaning(error);
    if (meaning === "nonce" || meaning === "signature") {
      if (!this.#isOut) return gone(error);
      this.#nonceInDoubt = true;
      this.#lost = false;
      this.#session = session;
      return null;
    }
    this.#lost = true;
    if (meaning === "banned") await this.#signAnew();
    if (meaning === "refused" && !this.#isOut) return { kind: "refused", error };
    if (meaning === "refused") this.#refusal = error;
    return null;
  }

  /** Another extrinsic for the same nonce; a key whose signatures repeat has none, and its ban is waited out. */
  async #signAnew(): Promise<void> {
    const signed = await this.#terms.signAnew();
    if (signed === null || this.#signed.some(({ hex }) => hex === signed.hex)) return;
    this.#signed.push(signed);
    this.#state = null;
    this.report("signed");
  }

  /** The call cannot land any more: it is signed anew, unless a pool has said meanwhile why it would not be taken. */
  #expired(): Verdict {
    return this.#refusal === null ? { kind: "expired" } : { kind: "refused", error: this.#refusal };
  }

  get #newest(): SignedExtrinsic {
    return this.#signed.at(-1) ?? this.#terms.signed;
  }
}

/** Whether an error says nothing about the extrinsic, only that nobody could be asked. */
export function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof ChainError)) return false;
  const { Disconnected, RequestDeadline, BlockUnknown, StateDiscarded } = ChainErrorCode;
  return [Disconnected, RequestDeadline, BlockUnknown, StateDiscarded].some((code) => code === error.code);
}

function gone(error: ChainError): Verdict {
  return { kind: "gone", error };
}

function nonceConflict(): ChainError {
  return new ChainError(ChainErrorCode.NonceConflict, "Another extrinsic of this hotkey took the nonce", {
    retryable: true,
  });
}

function runtimeChanged({ specVersion }: SignedExtrinsic): ChainError {
  return new ChainError(ChainErrorCode.BadSignature, "The runtime was upgraded after the call was signed", {
    retryable: true,
    fields: { specVersion },
  });
}

function stalled({ hash }: SignedExtrinsic, finalized: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.FinalityStalled, "Finality does not advance; the extrinsic may still land", {
    retryable: true,
    fields: { extrinsic: hash, finalized },
  });
}
