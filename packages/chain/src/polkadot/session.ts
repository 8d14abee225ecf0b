import { abortable } from "@assay/runtime/time/abortable";
import { withDeadline } from "@assay/runtime/time/deadline";
import type { DefinitionRpc, DefinitionRpcSub } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { JsonRpcSocket } from "./json-rpc-socket.ts";
import { ApiPromise, rpcDefinitions } from "./library.ts";

/** Opening takes several requests, one of them for the metadata: as many deadlines may pass. */
const OPENING_DEADLINES = 4;

/**
 * One connection to one endpoint, from its handshake to its end. It is never revived: a new one starts clean, with no
 * subscription, answer or runtime version left over from the time before.
 */
export interface ChainSession {
  /** Host and port, without path and query, where access keys may be. */
  readonly endpoint: string;
  readonly api: ApiPromise;
  /** Aborted when the connection is lost or given up. */
  readonly closed: AbortSignal;
  /** Sends one JSON-RPC request; fails with a ChainError. */
  request<T>(method: string, params: readonly unknown[]): Promise<T>;
  /** Subscribes until the session ends. `topic` is the name in the notifications, such as `chain_newHead`. */
  subscribe(
    topic: string,
    method: string,
    params: readonly unknown[],
    listen: (result: unknown) => void,
  ): Promise<void>;
  close(reason: string): void;
}

/** Connects to an endpoint and reads its metadata; gives up when the signal is aborted. */
export async function openSession(
  endpoint: string,
  { requestDeadlineMillis, signal }: { readonly requestDeadlineMillis: number; readonly signal: AbortSignal },
): Promise<ChainSession> {
  const provider = new JsonRpcSocket(endpoint, requestDeadlineMillis);
  const api = new ApiPromise({ provider, noInitWarn: true, rpc: QUIET_RPC });
  const closed = new AbortController();
  const close = (reason: string) => {
    if (closed.signal.aborted) return;
    closed.abort(new ChainError(ChainErrorCode.Disconnected, reason, { retryable: true }));
    void api.disconnect();
  };
  provider.on("disconnected", () => close("The connection was lost"));
  try {
    const opening = abortable(Promise.all([provider.connect(), api.isReadyOrError]), signal);
    await withDeadline(opening, OPENING_DEADLINES * requestDeadlineMillis, "Connecting to the chain");
  } catch (error) {
    close("The connection could not be opened");
    throw openingFailure(error);
  }
  return {
    endpoint: hostOf(endpoint),
    api,
    closed: closed.signal,
    request: (method, params) => provider.send(method, [...params]),
    subscribe: async (topic, method, params, listen) => {
      await provider.subscribe(topic, method, [...params], (error: Error | null, result: unknown) => {
        if (error === null && !closed.signal.aborted) listen(result);
      });
    },
    close,
  };
}

/** What kept a session from opening; @polkadot/api hands on the message alone of what failed inside it. */
function openingFailure(error: unknown): ChainError {
  if (error instanceof ChainError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ChainError(ChainErrorCode.Disconnected, reason, { retryable: true });
}

/** Address of an endpoint for people: host and port only. */
export function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host : "invalid";
}

/** Every method that @polkadot/api knows, told not to print its failures to the console: they are thrown anyway. */
const QUIET_RPC: Record<string, Record<string, DefinitionRpc | DefinitionRpcSub>> = Object.fromEntries(
  Object.entries(rpcDefinitions).map(([section, methods]) => [section, quiet(methods)]),
);

function quiet(
  methods: Record<string, DefinitionRpc | DefinitionRpcSub>,
): Record<string, DefinitionRpc | DefinitionRpcSub> {
  return Object.fromEntries(
    Object.entries(methods).map(([name, definition]) => [name, { ...definition, noErrorLog: true }]),
  );
}
