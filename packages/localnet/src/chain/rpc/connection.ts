import type { RpcMethods } from "./methods.ts";
import { Params } from "./params.ts";
import { RpcError, RpcErrorCode } from "./rpc-error.ts";
import type { SubscriptionKind } from "./subscriptions.ts";

export interface RpcSurface {
  readonly methods: RpcMethods;
  readonly subscriptions: ReadonlyMap<string, SubscriptionKind>;
}

interface Request {
  readonly id: unknown;
  readonly method: string;
  readonly params: unknown;
}

/** One client's side of the RPC: its requests and its subscriptions. */
export class RpcConnection {
  readonly #surface: RpcSurface;
  readonly #send: (message: string) => void;
  readonly #active = new Map<string, () => void>();
  #lastSubscription = 0;

  constructor(surface: RpcSurface, send: (message: string) => void) {
    this.#surface = surface;
    this.#send = send;
  }

  /** Answers one message, which may hold several requests. Whatever it holds, the connection survives. */
  receive(message: string): void {
    let parsed: unknown;
    try {
      parsed = JSON.parse(message);
    } catch (error) {
      this.#refuse(null, new RpcError(RpcErrorCode.Parse, "Parse error", String(error)));
      return;
    }
    for (const request of Array.isArray(parsed) ? parsed : [parsed]) this.#answer(request);
  }

  /** Ends all subscriptions. */
  close(): void {
    for (const end of this.#active.values()) end();
    this.#active.clear();
  }

  #answer(received: unknown): void {
    const id = (received as Partial<Request> | null)?.id ?? null;
    try {
      const { method, params } = readRequest(received);
      const kind = this.#surface.subscriptions.get(method);
      if (kind === undefined) this.#reply({ id, result: this.#call(method, new Params(params)) ?? null });
      else this.#subscribe(id, kind, new Params(params));
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  #call(method: string, params: Params): unknown {
    if (this.#isUnsubscribe(method)) return this.#unsubscribe(params.string(0));
    const { methods } = this.#surface;
    const call = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (call === undefined) throw new RpcError(RpcErrorCode.MethodNotFound, `Method not found: ${method}`);
    return call(params);
  }

  /** Clients know a subscription by its id, so the id leaves before the first notification. */
  #subscribe(id: unknown, kind: SubscriptionKind, params: Params): void {
    this.#lastSubscription += 1;
    const subscription = `s${this.#lastSubscription}`;
    const early: unknown[] = [];
    let isAnnounced = false;
    const notify = (result: unknown) => this.#reply({ method: kind.notification, params: { subscription, result } });
    const end = kind.start(params, (result) => {
      if (isAnnounced) notify(result);
      else early.push(result);
    });
    this.#active.set(subscription, end);
    this.#reply({ id, result: subscription });
    isAnnounced = true;
    for (const result of early) notify(result);
  }

  #isUnsubscribe(method: string): boolean {
    return [...this.#surface.subscriptions.values()].some(({ endedBy }) => endedBy.includes(method));
  }

  #unsubscribe(subscription: string): boolean {
    this.#active.get(subscription)?.();
    return this.#active.delete(subscription);
  }

  #reply(message: Readonly<Record<string, unknown>>): void {
    this.#send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  #refuse(id: unknown, error: unknown): void {
    const { code, message, detail } = error instanceof RpcError ? error : unexpected(error);
    this.#reply({ id, error: { code, message, ...(detail === undefined ? {} : { data: detail }) } });
  }
}

function readRequest(received: unknown): Request {
  const { id = null, method, params = [] } = (received ?? {}) as Partial<Request>;
  if (typeof method !== "string") throw new RpcError(RpcErrorCode.InvalidRequest, "Invalid request");
  return { id, method, params };
}

function unexpected(error: unknown): RpcError {
  return new RpcError(RpcErrorCode.Internal, error instanceof Error ? error.message : String(error));
}
