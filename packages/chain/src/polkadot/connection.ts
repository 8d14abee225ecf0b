import { setTimeout as sleep } from "node:timers/promises";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { abortable } from "@assay/runtime/time/abortable";
import { withDeadline } from "@assay/runtime/time/deadline";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { type ChainSession, hostOf, openSession } from "./session.ts";

export interface ConnectionOptions {
  /** WebSocket addresses of nodes of one chain, tried in turn. */
  readonly endpoints: readonly string[];
  readonly requestDeadlineMillis: number;
}

const BACKOFF = { firstMillis: 200, lastMillis: 30_000 } as const;
/** A session that lived shorter than this counts as one more failure, or an endpoint that hangs up is hammered. */
const SETTLED_MILLIS = 5_000;

/**
 * Keeps one session open, on whichever endpoint answers.
 *
 * Each lost or refused connection moves on to the next endpoint after a jittered, growing pause. What it logs are
 * changes of state, not attempts.
 */
export class ChainConnection implements Startable {
  readonly #logger: Logger;
  readonly #options: ConnectionOptions;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<(session: ChainSession) => void>();
  #session: ChainSession | null = null;
  #opened = Promise.withResolvers<ChainSession>();
  #running: Promise<void> | null = null;
  #genesis: string | null = null;
  #reportedDown = false;

  constructor({ logger }: { readonly logger: Logger }, options: ConnectionOptions) {
    this.#logger = logger.child({ module: "chain" });
    this.#options = options;
  }

  /** Resolves with the first session; keeps trying until the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#run();
    await abortable(this.#opened.promise, AbortSignal.any([signal, this.#stopping.signal]));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(notStarted());
    this.#session?.close("The client was stopped");
    await this.#running;
  }

  /** The open session; waits for one as long as a request may take, then fails with `CHAIN_DISCONNECTED`. */
  async session(): Promise<ChainSession> {
    if (this.#session !== null) return this.#session;
    if (this.#running === null || this.#stopping.signal.aborted) throw notStarted();
    const opened = abortable(this.#opened.promise, this.#stopping.signal);
    try {
      return await withDeadline(opened, this.#options.requestDeadlineMillis, "connection");
    } catch (error) {
      if (error instanceof ChainError) throw error;
      throw new ChainError(ChainErrorCode.Disconnected, "No endpoint of the chain is connected", { retryable: true });
    }
  }

  /** Calls the listener with each new session, with the open one at once. */
  onSession(listener: (session: ChainSession) => void): () => void {
    this.#listeners.add(listener);
    if (this.#session !== null) listener(this.#session);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let turn = 0, failures = 0; !signal.aborted; turn += 1) {
      const endpoint = this.#options.endpoints[turn % this.#options.endpoints.length];
      if (endpoint === undefined) throw new RangeError("A chain connection needs at least one endpoint");
      const settled = await this.#serve(endpoint);
      failures = settled ? 0 : failures + 1;
      await pause(failures, signal);
    }
  }

  /** Holds one session from its first to its last moment. Returns whether it lived long enough to be trusted again. */
  async #serve(endpoint: string): Promise<boolean> {
    let session: ChainSession;
    try {
      const { requestDeadlineMillis } = this.#options;
      session = await openSession(endpoint, { requestDeadlineMillis, signal: this.#stopping.signal });
    } catch (error) {
      this.#reportDown("Could not connect to the chain", hostOf(endpoint), error);
      return false;
    }
    if (this.#stopping.signal.aborted || !this.#isOurChain(session)) {
      session.close("The endpoint is not used");
      return false;
    }
    const openedAt = performance.now();
    this.#publish(session);
    await ended(session);
    this.#session = null;
    this.#opened = Promise.withResolvers();
    this.#reportDown("Lost the connection to the chain", session.endpoint, session.closed.reason);
    return performance.now() - openedAt > SETTLED_MILLIS;
  }

  #publish(session: ChainSession): void {
    this.#session = session;
    this.#reportedDown = false;
    this.#logger.info("Connected to the chain", {
      endpoint: session.endpoint,
      chain: session.api.runtimeChain.toString(),
      specVersion: session.api.runtimeVersion.specVersion.toNumber(),
    });
    this.#opened.resolve(session);
    for (const listener of this.#listeners) listener(session);
  }

  #isOurChain(session: ChainSession): boolean {
    const genesis = session.api.genesisHash.toHex();
    this.#genesis ??= genesis;
    if (genesis === this.#genesis) return true;
    const error = new ChainError(ChainErrorCode.GenesisMismatch, "The endpoint serves another chain", {
      fields: { endpoint: session.endpoint, genesis, expected: this.#genesis },
    });
    this.#logger.error("An endpoint serves another chain than the first one", { endpoint: session.endpoint }, error);
    return false;
  }

  #reportDown(message: string, endpoint: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const level = this.#reportedDown ? "debug" : "warn";
    this.#reportedDown = true;
    this.#logger[level](message, { endpoint, reason: error instanceof Error ? error.message : String(error) });
  }
}

async function ended(session: ChainSession): Promise<void> {
  if (session.closed.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  session.closed.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const ceiling = Math.min(BACKOFF.lastMillis, BACKOFF.firstMillis * 2 ** failures);
  try {
    await sleep(ceiling * (0.5 + Math.random() / 2), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function notStarted(): ChainError {
  return new ChainError(ChainErrorCode.NotStarted, "The chain client is not running");
}
