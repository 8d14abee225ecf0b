import type { BlockNumber } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ChainCall, ExtrinsicReceipt, SubmitOptions } from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { Signer } from "../hotkey.ts";
import type { SigningGuard } from "../signing-guard.ts";
import { Bell } from "./bell.ts";
import type { ChainConnection } from "./connection.ts";
import type { HeadFollower } from "./heads.ts";
import { Nonces } from "./nonces.ts";
import { poolMeaning } from "./pool-watch.ts";
import { SerialQueue } from "./serial-queue.ts";
import type { ChainSession } from "./session.ts";
import { type SignedExtrinsic, type SigningTerms, signExtrinsic } from "./signed-extrinsic.ts";
import { isConnectionFailure, Submission, type Verdict } from "./submission.ts";

/** An extrinsic is signed anew this often when nonce, fork or runtime upgrade got in the way. */
const MOST_SIGNATURES = 8;

/**
 * An extrinsic lives at most so many blocks, some six minutes on finney, and its call is signed anew for as long as its
 * deadline allows. So a nonce that no pool moves on from, because a smaller one is missing, is not waited for until then.
 */
const LONGEST_LIFE_BLOCKS = 32;

export interface SubmitterOptions {
  /** How long finality may stand still before an extrinsic's fate counts as unknown. */
  readonly finalityStallMillis: number;
  /** What block authors get for preferring an extrinsic, in rao, where a call does not say. */
  readonly tipRao: bigint;
}

interface Components {
  readonly logger: Logger;
  readonly connection: ChainConnection;
  readonly heads: HeadFollower;
  readonly signer: Signer;
  readonly guard?: SigningGuard | undefined;
}

/**
 * The only code that signs.
 *
 * Signing and handing in happen one at a time, so nonces are used in order; waiting for finality happens side by side.
 */
export class ExtrinsicSubmitter {
  readonly #components: Components;
  readonly #options: SubmitterOptions;
  readonly #logger: Logger;
  readonly #queue = new SerialQueue();
  readonly #nonces = new Nonces();
  readonly #stopping = new AbortController();

  constructor(components: Components, options: SubmitterOptions) {
    this.#components = components;
    this.#options = options;
    this.#logger = components.logger.child({ module: "submitter" });
  }

  stop(): void {
    this.#stopping.abort(new ChainError(ChainErrorCode.NotStarted, "The chain client was stopped"));
  }

  /** Signs and sends until the call is final, refused, or past its deadline block. */
  async submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt> {
    const signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    try {
      return await this.#submit(call, { ...options, signal });
    } catch (error) {
      if (!signal.aborted || error instanceof ChainError) throw error;
      throw new ChainError(ChainErrorCode.SubmissionAborted, "The submission was given up; it may still land", {
        fields: { kind: call.kind },
        cause: error,
      });
    }
  }

  async #submit(call: ChainCall, options: SubmitOptions): Promise<ExtrinsicReceipt> {
    for (let signatures = 1; ; signatures += 1) {
      const verdict = await this.#attempt(call, options);
      if (verdict.kind === "landed") return verdict.receipt;
      if (verdict.kind === "refused") throw verdict.error;
      if (verdict.kind === "gone" && signatures >= MOST_SIGNATURES) throw verdict.error;
      this.#logger.debug("Signing a call anew", { kind: call.kind, why: verdict.kind, signatures });
      if (verdict.kind === "gone") await this.#nextBlock(options);
    }
  }

  /** One signature, from the turn in the queue to its end. */
  async #attempt(call: ChainCall, options: SubmitOptions): Promise<Verdict> {
    await this.#components.guard?.admit(options);
    const turn = await this.#queue.run(() => this.#signAndHandIn(call, options));
    if ("kind" in turn) return turn;
    try {
      return await turn.submission.verdict(options.signal);
    } finally {
      this.#nonces.release(turn.nonce);
    }
  }

  async #signAndHandIn(
    call: ChainCall,
    options: SubmitOptions,
  ): Promise<{ readonly submission: Submission; readonly nonce: number } | Verdict> {
    options.signal.throwIfAborted();
    const { connection, heads, signer } = this.#components;
    const head = heads.head().number;
    if (head >= options.deadlineBlock) throw tooLate(call, options.deadlineBlock);
    const session = await connection.session();
    const nonce = this.#nonces.take(await session.request<number>("system_accountNextIndex", [signer.address]));
    try {
      const { tipRao = this.#options.tipRao } = options;
      const terms = { nonce, tipRao, deadlineBlock: Math.min(options.deadlineBlock, head + LONGEST_LIFE_BLOCKS) };
      const finalized = heads.finalizedHead();
      const signed = await this.#sign(session, call, { ...terms, finalized });
      const signAnew = () => this.#signAnew(call, { ...terms, deadlineBlock: signed.lastBlock }, signed);
      const { finalityStallMillis } = this.#options;
      const submission = new Submission(
        { connection, heads, onState: options.onState },
        { signed, signAnew, signer: signer.address, searchAfter: finalized.number, finalityStallMillis },
      );
      submission.report("signed");
      const failed = await handInVerdict(submission, session);
      if (failed === null) return { submission, nonce };
      this.#nonces.release(nonce);
      return failed;
    } catch (error) {
      this.#nonces.release(nonce);
      throw error;
    }
  }

  /** Another signature for a nonce that is taken already; null when the runtime is no longer the one of the first. */
  async #signAnew(
    call: ChainCall,
    terms: Omit<SigningTerms, "finalized">,
    { specVersion }: SignedExtrinsic,
  ): Promise<SignedExtrinsic | null> {
    const { connection, heads } = this.#components;
    const session = await connection.session();
    if (session.specVersion !== specVersion) return null;
    return await this.#sign(session, call, { ...terms, finalized: heads.finalizedHead() });
  }

  /** Signs, and lets the guard note it before anyone else can see the extrinsic. */
  async #sign(session: ChainSession, call: ChainCall, terms: SigningTerms): Promise<SignedExtrinsic> {
    const { heads, signer, guard } = this.#components;
    const signed = await signExtrinsic(session, signer, call, terms);
    const { hash, nonce, lastBlock } = signed;
    await guard?.record({ hash, nonce, kind: call.kind, signedBlock: heads.head().number, lastBlock });
    return signed;
  }

  async #nextBlock({ signal, deadlineBlock }: SubmitOptions): Promise<void> {
    const { heads } = this.#components;
    const bell = new Bell();
    const end = heads.onHead(bell.ring);
    try {
      if (heads.head().number < deadlineBlock) await bell.wait(this.#options.finalityStallMillis, signal);
    } finally {
      end();
    }
  }
}

/**
 * Hands a fresh extrinsic in. Null means that it is to be followed: it is under way, or may be, as after a failed
 * connection nobody knows whether it arrived; or the pool has no room for it now.
 */
async function handInVerdict(
  submission: Submission,
  session: Parameters<Submission["handIn"]>[0],
): Promise<Verdict | null> {
  try {
    await submission.handIn(session);
    return null;
  } catch (error) {
    if (isConnectionFailure(error)) return null;
    if (!(error instanceof ChainError)) throw error;
    const meaning = poolMeaning(error);
    if (meaning === "full" || meaning === "banned") return null;
    return { kind: meaning === "refused" ? "refused" : "gone", error };
  }
}

function tooLate(call: ChainCall, deadlineBlock: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.ExtrinsicDeadline, "The call did not land by its deadline block", {
    fields: { kind: call.kind, deadlineBlock },
  });
}
