import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { abortable } from "@assay/runtime/time/abortable";
import type { Header } from "@polkadot/types/interfaces";
import type { ChainHead } from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainConnection } from "./connection.ts";
import type { ChainSession } from "./session.ts";

export interface HeadOptions {
  /** The head must advance at least this often, or the endpoint is taken for dead and the next one is tried. */
  readonly headSilenceMillis: number;
}

type Listener = (head: ChainHead) => void;

/**
 * Follows the newest and the newest final block, over as many sessions as it takes.
 *
 * A connection can be open and dead, or open to a node that stands still: only an advancing head counts as life.
 */
export class HeadFollower implements Startable {
  readonly #logger: Logger;
  readonly #connection: ChainConnection;
  readonly #options: HeadOptions;
  readonly #listeners = new Set<Listener>();
  readonly #finalListeners = new Set<Listener>();
  readonly #known = Promise.withResolvers<void>();
  #head: ChainHead | null = null;
  #finalized: ChainHead | null = null;
  /** Only this session's blocks count: one that is being left must not keep its successor's silence from showing. */
  #session: ChainSession | null = null;
  #silence: NodeJS.Timeout | null = null;
  #leave: (() => void) | null = null;

  constructor(
    { logger, connection }: { readonly logger: Logger; readonly connection: ChainConnection },
    options: HeadOptions,
  ) {
    this.#logger = logger.child({ module: "chain" });
    this.#connection = connection;
    this.#options = options;
  }

  /** Resolves when both heads are known. */
  async start(signal: AbortSignal): Promise<void> {
    this.#leave ??= this.#connection.onSession((session) => {
      void this.#follow(session);
    });
    await abortable(this.#known.promise, signal);
  }

  async stop(): Promise<void> {
    this.#leave?.();
    this.#listeners.clear();
    this.#finalListeners.clear();
    if (this.#silence !== null) clearTimeout(this.#silence);
  }

  head(): ChainHead {
    return known(this.#head);
  }

  finalizedHead(): ChainHead {
    return known(this.#finalized);
  }

  onHead(listener: Listener): () => void {
    return subscribe(this.#listeners, listener);
  }

  onFinalized(listener: Listener): () => void {
    return subscribe(this.#finalListeners, listener);
  }

  async #follow(session: ChainSession): Promise<void> {
    this.#session = session;
    this.#watchSilence(session);
    try {
      await session.subscribe("chain_newHead", "chain_subscribeNewHeads", [], (header) => {
        if (session === this.#session) this.#advance(session, headOf(session, header));
      });
      await session.subscribe("chain_finalizedHead", "chain_subscribeFinalizedHeads", [], (header) => {
        if (session === this.#session) this.#finalize(headOf(session, header));
      });
    } catch {
      session.close("silence", "The endpoint does not tell of new blocks");
    }
  }

  #advance(session: ChainSession, head: ChainHead): void {
    const before = this.#head;
    if (before !== null && head.number < before.number) return;
    this.#head = head;
    this.#markKnown();
    if (before !== null && head.number === before.number) return;
    this.#watchSilence(session);
    this.#announce(this.#listeners, head);
  }

  #finalize(head: ChainHead): void {
    if (this.#finalized !== null && head.number <= this.#finalized.number) return;
    this.#finalized = head;
    this.#markKnown();
    this.#announce(this.#finalListeners, head);
  }

  #markKnown(): void {
    if (this.#head !== null && this.#finalized !== null) this.#known.resolve();
  }

  #announce(listeners: ReadonlySet<Listener>, head: ChainHead): void {
    for (const listener of [...listeners]) {
      try {
        listener(head);
      } catch (error) {
        this.#logger.error("A listener to new blocks failed", { block: head.number }, error);
      }
    }
  }

  #watchSilence(session: ChainSession): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    const { headSilenceMillis } = this.#options;
    this.#silence = setTimeout(() => {
      session.close("silence", `No new block for ${headSilenceMillis} ms`);
    }, headSilenceMillis);
    this.#silence.unref();
  }
}

function headOf(session: ChainSession, json: unknown): ChainHead {
  const header = session.api.registry.createType<Header>("Header", json);
  return { number: header.number.toNumber(), hash: header.hash.toHex() };
}

function subscribe(listeners: Set<Listener>, listener: Listener): () => void {
  const own: Listener = (head) => listener(head);
  listeners.add(own);
  return () => {
    listeners.delete(own);
  };
}

function known(head: ChainHead | null): ChainHead {
  if (head === null) throw new ChainError(ChainErrorCode.NotStarted, "The chain's head is not known yet");
  return head;
}
