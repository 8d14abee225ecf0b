import { EventEmitter } from "node:events";
import type { ApiOptions } from "@polkadot/api/types";
import { WebSocket } from "ws";
import type { ChainError } from "../chain-error.ts";
import { answerError, deadlineError, disconnectedError } from "./rpc-error.ts";

type ProviderInterface = NonNullable<ApiOptions["provider"]>;
type ProviderEvent = Parameters<ProviderInterface["on"]>[0];
type ProviderListener = Parameters<ProviderInterface["on"]>[1];
type SubscriptionListener = Parameters<ProviderInterface["subscribe"]>[3];

/** Far more than metadata, the largest answer we ask for; an endpoint may not fill our memory. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;

/** An endpoint that answers some requests, but leaves this many without one, is not worth staying with. */
const MOST_MISSED = 3;

interface Request {
  readonly answer: (result: unknown) => void;
  readonly fail: (error: ChainError) => void;
  readonly method: string;
  readonly sentAt: number;
}

/**
 * JSON-RPC 2.0 over one WebSocket that is opened once and never again; @polkadot/api's transport.
 *
 * Its own provider waits for the peer when it disconnects, for ever if the peer is dead, and remembers failed reads for
 * 30 s. This one ends at once, caches nothing, and every request ends by a deadline and fails with a ChainError.
 *
 * A peer that can be open and dead is found by its silence: a request that is not answered in time ends the socket if
 * nothing sent since was answered either. News do not count, as they go on when only our direction is cut.
 */
export class JsonRpcSocket implements ProviderInterface {
  /**
   * Said to @polkadot/api, which then neither watches the runtime's version nor sends pings by itself: a failure of its
   * own would end the process. Subscriptions are made by the session.
   */
  readonly hasSubscriptions: boolean = false;
  readonly isClonable: boolean = false;
  readonly #endpoint: string;
  readonly #deadlineMillis: number;
  readonly #events = new EventEmitter();
  readonly #requests = new Map<number, Request>();
  readonly #subscriptions = new Map<string, SubscriptionListener>();
  #socket: WebSocket | null = null;
  #lastId = 0;
  #answeredAt = 0;
  #missed = 0;
  #isGivenUp = false;

  constructor(endpoint: string, deadlineMillis: number) {
    this.#endpoint = endpoint;
    this.#deadlineMillis = deadlineMillis;
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Whether the socket was ended because requests stayed unanswered. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  clone(): JsonRpcSocket {
    return new JsonRpcSocket(this.#endpoint, this.#deadlineMillis);
  }

  async connect(): Promise<void> {
    const socket = new WebSocket(this.#endpoint, {
      handshakeTimeout: this.#deadlineMillis,
      maxPayload: MOST_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    const opened = Promise.withResolvers<void>();
    socket.on("open", () => {
      this.#events.emit("connected");
      opened.resolve();
    });
    socket.on("message", (bytes) => this.#receive(bytes.toString()));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      this.#end();
      opened.reject(disconnectedError("connection"));
    });
    await opened.promise;
  }

  async disconnect(): Promise<void> {
    this.#socket?.terminate();
  }

  on(type: ProviderEvent, listener: ProviderListener): () => void {
    this.#events.on(type, listener);
    return () => {
      this.#events.off(type, listener);
    };
  }

  send<T = unknown>(method: string, params: unknown[]): Promise<T> {
    return this.#request(method, params, (result) => result as T);
  }

  subscribe(
    _topic: string,
    method: string,
    params: unknown[],
    listener: SubscriptionListener,
  ): Promise<number | string> {
    return this.#request(method, params, (id) => {
      this.#subscriptions.set(String(id), listener);
      return id as number | string;
    });
  }

  async unsubscribe(_topic: string, method: string, id: number | string): Promise<boolean> {
    if (!this.#subscriptions.delete(String(id)) || !this.isConnected) return false;
    return await this.send<boolean>(method, [id]);
  }

  /** @param accept Runs before the next message is read, so that no notification overtakes its subscription. */
  #request<T>(method: string, params: unknown[], accept: (result: unknown) => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const socket = this.#socket;
    if (socket === null || !this.isConnected) {
      reject(disconnectedError(method));
      return promise;
    }
    this.#lastId += 1;
    const id = this.#lastId;
    // An answer that came while this process was busy is read before the request counts as missed.
    const timer = setTimeout(() => setImmediate(() => this.#miss(id)), this.#deadlineMillis);
    const settle = () => {
      clearTimeout(timer);
      this.#requests.delete(id);
    };
    this.#requests.set(id, {
      method,
      sentAt: performance.now(),
      answer: (result) => {
        settle();
        resolve(accept(result));
      },
      fail: (error) => {
        settle();
        reject(error);
      },
    });
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return promise;
  }

  #miss(id: number): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#missed += 1;
    request.fail(deadlineError(request.method, this.#deadlineMillis));
    if (this.#answeredAt >= request.sentAt && this.#missed < MOST_MISSED) return;
    this.#isGivenUp = true;
    this.#socket?.terminate();
    this.#end();
  }

  #receive(text: string): void {
    const message = parseMessage(text);
    if (message === null) this.#socket?.terminate();
    else if (message.kind === "answer") this.#settle(message);
    else this.#subscriptions.get(message.subscription)?.(null, message.result);
  }

  #settle({ id, result, error }: Answer): void {
    const request = this.#requests.get(id);
    if (request !== undefined) this.#answeredAt = performance.now();
    if (error === undefined) request?.answer(result);
    else request?.fail(answerError(request.method, error));
  }

  #end(): void {
    for (const { method, fail } of [...this.#requests.values()]) fail(disconnectedError(method));
    this.#subscriptions.clear();
    this.#events.emit("disconnected");
  }
}

interface Answer {
  readonly kind: "answer";
  readonly id: number;
  readonly result: unknown;
  readonly error: unknown;
}

interface Notification {
  readonly kind: "notification";
  readonly subscription: string;
  readonly result: unknown;
}

/** Null for what no JSON-RPC server sends; such a peer is not worth talking to. */
function parseMessage(text: string): Answer | Notification | null {
  const message = parseObject(text);
  if (message === null) return null;
  if ("method" in message && "params" in message) {
    const { params } = message;
    if (typeof params !== "object" || params === null || !("subscription" in params)) return null;
    const result = "result" in params ? params.result : null;
    return { kind: "notification", subscription: String(params.subscription), result };
  }
  if (!("id" in message) || typeof message.id !== "number") return null;
  const result = "result" in message ? message.result : null;
  const error = "error" in message ? message.error : undefined;
  return { kind: "answer", id: message.id, result, error };
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
