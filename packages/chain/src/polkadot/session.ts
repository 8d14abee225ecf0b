import type { BlockNumber } from "@assay/core/units";
import { abortable } from "@assay/runtime/time/abortable";
import { withDeadline } from "@assay/runtime/time/deadline";
import type { DefinitionRpc, DefinitionRpcSub } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { JsonRpcSocket } from "./json-rpc-socket.ts";
import { ApiPromise, rpcDefinitions } from "./library.ts";
import type { EndCause, SessionEnd } from "./session-end.ts";

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
  /** Version of the runtime that `api` speaks. A session ends when the chain's becomes another one. */
  readonly specVersion: number;
  /** Head when the session began: this and all later blocks left the state of `specVersion` behind. */
  readonly runtimeSince: BlockNumber;
  /** Calls the listener when the connection is lost or given up; at once if it is already. */
  onEnd(listener: (end: SessionEnd) => void): void;
  /** Sends one JSON-RPC request; fails with a ChainError. */
  request<T>(method: string, params: readonly unknown[]): Promise<T>;
  /** Subscribes until the session ends. `topic` is the name in the notifications, such as `chain_newHead`. */
  subscribe(
    topic: string,
    method: string,
    params: readonly unknown[],
    listen: (result: unknown) => void,
  ): Promise<void>;
  close(cause: EndCause, reason: string): void;
}

/**
 * Connects to an endpoint and reads its metadata; gives up when the signal is aborted.
 *
 * @throws ChainError `CHAIN_DISCONNECTED` or `CHAIN_REQUEST_DEADLINE`.
 */
export async function openSession(
  endpoint: string,
  { requestDeadlineMillis, signal }: { readonly requestDeadlineMillis: number; readonly signal: AbortSignal },
): Promise<ChainSession> {
  const provider = new JsonRpcSocket(endpoint, requestDeadlineMillis);
  const ending = new Ending(() => void provider.disconnect());
  provider.on("disconnected", () => {
    if (provider.isGivenUp) ending.end("deadline", `No answer within ${requestDeadlineMillis} ms`);
    else ending.end("lost", "The connection was lost");
  });
  try {
    const opening = abortable(loadRuntime(provider), signal);
    const api = await withDeadline(opening, OPENING_DEADLINES * requestDeadlineMillis, "Connecting to the chain");
    const { number } = await provider.send<{ readonly number: string }>("chain_getHeader", []);
    const session = sessionOver(provider, api, { endpoint: hostOf(endpoint), runtimeSince: Number(number), ending });
    await endWithRuntime(session);
    return session;
  } catch (error) {
    ending.end("refused", "The connection could not be opened");
    throw openingFailure(error);
  }
}

async function loadRuntime(provider: JsonRpcSocket): Promise<ApiPromise> {
  await provider.connect();
  const api = new ApiPromise({ provider, noInitWarn: true, rpc: QUIET_RPC });
  return await api.isReadyOrError;
}

function sessionOver(
  provider: JsonRpcSocket,
  api: ApiPromise,
  { ending, ...facts }: Pick<ChainSession, "endpoint" | "runtimeSince"> & { readonly ending: Ending },
): ChainSession {
  return {
    ...facts,
    api,
    specVersion: api.runtimeVersion.specVersion.toNumber(),
    onEnd: (listener) => ending.onEnd(listener),
    request: (method, params) => provider.send(method, [...params]),
    subscribe: async (topic, method, params, listen) => {
      await provider.subscribe(topic, method, [...params], (error: Error | null, result: unknown) => {
        if (error === null && !ending.isOver) listen(result);
      });
    },
    close: (cause, reason) => ending.end(cause, reason),
  };
}

/** Ends the session when the chain's runtime is no longer the one whose metadata it read. */
async function endWithRuntime(session: ChainSession): Promise<void> {
  await session.subscribe("state_runtimeVersion", "state_subscribeRuntimeVersion", [], (version) => {
    const { specVersion } = version as { readonly specVersion?: unknown };
    if (specVersion === session.specVersion) return;
    session.close("upgrade", `The runtime was upgraded from version ${session.specVersion} to ${specVersion}`);
  });
}

/** That a session ends once, why, and who wants to know. */
class Ending {
  readonly #disconnect: () => void;
  readonly #listeners: ((end: SessionEnd) => void)[] = [];
  #end: SessionEnd | null = null;

  constructor(disconnect: () => void) {
    this.#disconnect = disconnect;
  }

  get isOver(): boolean {
    return this.#end !== null;
  }

  onEnd(listener: (end: SessionEnd) => void): void {
    if (this.#end === null) this.#listeners.push(listener);
    else listener(this.#end);
  }

  end(cause: EndCause, reason: string): void {
    if (this.#end !== null) return;
    const end: SessionEnd = { cause, reason };
    this.#end = end;
    this.#disconnect();
    for (const listener of this.#listeners.splice(0)) listener(end);
  }
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
