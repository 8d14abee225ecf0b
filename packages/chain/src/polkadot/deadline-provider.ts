import { withDeadline } from "@assay/runtime/time/deadline";
import { WsProvider } from "@polkadot/api";
import type { ApiOptions } from "@polkadot/api/types";
import { translateRpcError } from "./rpc-error.ts";

type ProviderInterface = NonNullable<ApiOptions["provider"]>;
type Listening = Parameters<ProviderInterface["on"]>;
type SubscriptionListener = Parameters<ProviderInterface["subscribe"]>[3];

/**
 * A WebSocket to one endpoint, whose every request ends by a deadline and fails with a {@link ChainError}.
 *
 * Never caches: `WsProvider` keeps answers of reads at a block for 30 s, failed ones too, so that one lost connection
 * would be repeated to everyone who asks again.
 */
export class DeadlineProvider implements ProviderInterface {
  readonly hasSubscriptions: boolean = true;
  readonly isClonable: boolean = false;
  readonly #endpoint: string;
  readonly #deadlineMillis: number;
  readonly #socket: WsProvider;

  constructor(endpoint: string, deadlineMillis: number) {
    this.#endpoint = endpoint;
    this.#deadlineMillis = deadlineMillis;
    this.#socket = new WsProvider(endpoint, false, {}, deadlineMillis);
  }

  get isConnected(): boolean {
    return this.#socket.isConnected;
  }

  clone(): DeadlineProvider {
    return new DeadlineProvider(this.#endpoint, this.#deadlineMillis);
  }

  connect(): Promise<void> {
    return this.#socket.connect();
  }

  disconnect(): Promise<void> {
    return this.#socket.disconnect();
  }

  on(type: Listening[0], listener: Listening[1]): () => void {
    return this.#socket.on(type, listener);
  }

  send<T = unknown>(method: string, params: unknown[]): Promise<T> {
    return this.#timed(method, this.#socket.send<T>(method, params, false));
  }

  subscribe(type: string, method: string, params: unknown[], listener: SubscriptionListener): Promise<number | string> {
    return this.#timed(method, this.#socket.subscribe(type, method, params, listener));
  }

  unsubscribe(type: string, method: string, id: number | string): Promise<boolean> {
    return this.#timed(method, this.#socket.unsubscribe(type, method, id));
  }

  async #timed<T>(method: string, answer: Promise<T>): Promise<T> {
    try {
      return await withDeadline(answer, this.#deadlineMillis, method);
    } catch (error) {
      throw translateRpcError(method, error);
    }
  }
}
