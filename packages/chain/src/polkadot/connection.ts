import { setTimeout as sleep } from "node:timers/promises";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { abortable } from "@assay/runtime/time/abortable";
import { withDeadline } from "@assay/runtime/time/deadline";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ConnectionObserver, EndpointRole } from "../connection-observer.ts";
import { type Endpoint, EndpointList } from "./endpoints.ts";
import { type ChainIdentity, type Opening, openFitSession } from "./fit-session.ts";
import type { ChainSession } from "./session.ts";
import { isFailure, type SessionEnd } from "./session-end.ts";
import { seekPreferred, watchHealth } from "./session-watch.ts";

export interface ConnectionOptions {
  readonly role: EndpointRole;
  /** WebSocket addresses of nodes of one chain, the preferred ones first. */
  readonly endpoints: readonly string[];
  readonly requestDeadlineMillis: number;
  /** How often a preferred endpoint is tried while another one serves. */
  readonly failbackMillis: number;
}

interface Components {
  readonly logger: Logger;
  readonly observer: ConnectionObserver;
  /** Shared by all connections of one client. */
  readonly identity: ChainIdentity;
}

interface Held {
  readonly endpoint: Endpoint;
  readonly session: ChainSession;
}

/** A session that lived shorter than this does not clear its endpoint of earlier failures, or one that hangs up is hammered. */
const SETTLED_MILLIS = 5_000;

/**
 * Keeps one session open, on the first endpoint of a list that is fit for use.
 *
 * An endpoint that fails is left alone for a growing pause while the next ones are tried; a preferred one that is fit
 * again takes over without a gap. What it logs are changes of state, not attempts.
 */
export class ChainConnection implements Startable {
  readonly #logger: Logger;
  readonly #components: Components;
  readonly #options: ConnectionOptions;
  readonly #endpoints: EndpointList;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<(session: ChainSession) => void>();
  /** Sessions that were replaced and still answer what they were asked. */
  readonly #leaving = new Set<ChainSession>();
  #session: ChainSession | null = null;
  #opened = Promise.withResolvers<ChainSession>();
  #running: Promise<void> | null = null;

  constructor(components: Components, options: ConnectionOptions) {
    this.#logger = components.logger.child({ module: "chain" });
    this.#components = components;
    this.#options = options;
    this.#endpoints = new EndpointList(options.endpoints);
  }

  /** Resolves with the first session; keeps trying until the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    this.begin();
    await abortable(this.#opened.promise, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** Starts connecting, unless it has begun or was stopped. */
  begin(): void {
    if (!this.#stopping.signal.aborted) this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(notStarted());
    for (const session of [this.#session, ...this.#leaving]) session?.close("stopped", "The client was stopped");
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
      throw new ChainError(ChainErrorCode.Disconnected, "No endpoint of the chain is connected", {
        retryable: true,
        fields: { endpoints: this.#options.role },
      });
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
    while (!signal.aborted) {
      const { endpoint, waitMillis } = this.#endpoints.next(performance.now());
      if (waitMillis > 0) await pause(waitMillis, signal);
      let held = signal.aborted ? null : await this.#open(endpoint, signal);
      while (held !== null) held = await this.#hold(held);
    }
  }

  /** A session on this endpoint; null with the endpoint's breaker open, or when the signal was aborted. */
  async #open(endpoint: Endpoint, signal: AbortSignal): Promise<Held | null> {
    const { requestDeadlineMillis } = this.#options;
    const { identity } = this.#components;
    const opening = await openFitSession(endpoint, { requestDeadlineMillis, identity, signal });
    if (signal.aborted) {
      if (opening.kind === "open") opening.session.close("stopped", "The endpoint is not needed");
      return null;
    }
    if (opening.kind === "open") return { endpoint, session: opening.session };
    endpoint.breaker.failed(performance.now());
    this.#reportUnfit(endpoint, opening);
    return null;
  }

  /** Holds a session until it ends. Returns the session of a preferred endpoint if one has taken over. */
  async #hold({ endpoint, session }: Held): Promise<Held | null> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, over.signal]);
    const openedAt = performance.now();
    this.#publish(endpoint, session);
    const ended = Promise.withResolvers<SessionEnd>();
    session.onEnd((end) => {
      this.#drop(session);
      ended.resolve(end);
    });
    void watchHealth(session, { everyMillis: this.#options.requestDeadlineMillis, signal });
    const seeking = seekPreferred(session, {
      candidates: () => this.#endpoints.preferredTo(endpoint, performance.now()),
      open: (candidate) => this.#open(candidate, signal),
      everyMillis: this.#options.failbackMillis,
      signal,
    });
    const end = await Promise.race([ended.promise, seeking.then(() => null)]);
    over.abort();
    if (performance.now() - openedAt > SETTLED_MILLIS) endpoint.breaker.succeeded();
    if (end !== null) this.#settle(endpoint, end);
    const preferred = await seeking;
    if (end === null && preferred !== null) this.#leave(session);
    return preferred;
  }

  #publish(endpoint: Endpoint, session: ChainSession): void {
    this.#session = session;
    endpoint.reportedDown = false;
    this.#logger.info("Connected to the chain", {
      endpoint: endpoint.host,
      ...this.#roleField(),
      chain: session.api.runtimeChain.toString(),
      specVersion: session.specVersion,
    });
    this.#components.observer.connected(this.#options.role, endpoint.host);
    this.#opened.resolve(session);
    for (const listener of [...this.#listeners]) listener(session);
  }

  #drop(session: ChainSession): void {
    this.#leaving.delete(session);
    if (this.#session !== session) return;
    this.#session = null;
    this.#opened = Promise.withResolvers();
    if (!this.#stopping.signal.aborted) this.#components.observer.connected(this.#options.role, null);
  }

  #settle(endpoint: Endpoint, end: SessionEnd): void {
    if (isFailure(end)) endpoint.breaker.failed(performance.now());
    this.#report(isFailure(end) ? "Lost the connection to the chain" : "Reconnecting to the chain", endpoint, end);
  }

  /** Lets a replaced session answer what it was asked, as long as a request may take. */
  #leave(session: ChainSession): void {
    const { role, requestDeadlineMillis } = this.#options;
    this.#leaving.add(session);
    this.#components.observer.ended(role, "failback");
    setTimeout(() => session.close("failback", "A preferred endpoint is back"), requestDeadlineMillis).unref();
  }

  #reportUnfit(endpoint: Endpoint, { end, error }: Extract<Opening, { readonly kind: "failed" }>): void {
    if (end.cause === "wrong_chain" && !endpoint.reportedDown) {
      this.#logger.error("An endpoint serves another chain than the first one", { endpoint: endpoint.host }, error);
      endpoint.reportedDown = true;
    }
    this.#report("Could not connect to the chain", endpoint, end);
  }

  #report(message: string, endpoint: Endpoint, end: SessionEnd): void {
    if (this.#stopping.signal.aborted) return;
    this.#components.observer.ended(this.#options.role, end.cause);
    const level = endpoint.reportedDown ? "debug" : isFailure(end) ? "warn" : "info";
    endpoint.reportedDown ||= isFailure(end);
    this.#logger[level](message, { endpoint: endpoint.host, ...this.#roleField(), reason: end.reason });
  }

  #roleField(): { readonly list?: EndpointRole } {
    return this.#options.role === "archive" ? { list: "archive" } : {};
  }
}

async function pause(millis: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(millis, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function notStarted(): ChainError {
  return new ChainError(ChainErrorCode.NotStarted, "The chain client is not running");
}
