import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { Endpoint } from "./endpoints.ts";
import { type ChainSession, openSession } from "./session.ts";
import type { SessionEnd } from "./session-end.ts";

/** Which chain all endpoints must serve; the first session decides. */
export interface ChainIdentity {
  genesis: string | null;
}

export type Opening =
  | { readonly kind: "open"; readonly session: ChainSession }
  | { readonly kind: "failed"; readonly end: SessionEnd; readonly error: ChainError };

interface Terms {
  readonly requestDeadlineMillis: number;
  readonly identity: ChainIdentity;
  readonly signal: AbortSignal;
}

/** Opens a session on an endpoint that is fit for use: it serves our chain and is not catching up with it. */
export async function openFitSession({ address, host }: Endpoint, terms: Terms): Promise<Opening> {
  let session: ChainSession;
  try {
    session = await openSession(address, terms);
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    return failed("refused", error);
  }
  const giveUp = () => session.close("stopped", "The endpoint is not needed");
  terms.signal.addEventListener("abort", giveUp, { once: true });
  try {
    const unfit = checkChain(session, host, terms.identity) ?? (await checkHealth(session));
    if (unfit === null) return { kind: "open", session };
    session.close(unfit.end.cause, unfit.end.reason);
    return unfit;
  } finally {
    terms.signal.removeEventListener("abort", giveUp);
  }
}

function checkChain(session: ChainSession, endpoint: string, identity: ChainIdentity): Failed | null {
  const genesis = session.api.genesisHash.toHex();
  identity.genesis ??= genesis;
  if (genesis === identity.genesis) return null;
  return failed(
    "wrong_chain",
    new ChainError(ChainErrorCode.GenesisMismatch, "The endpoint serves another chain", {
      fields: { endpoint, genesis, expected: identity.genesis },
    }),
  );
}

async function checkHealth(session: ChainSession): Promise<Failed | null> {
  if (!(await isSyncing(session))) return null;
  const reason = "The endpoint is catching up with the chain";
  return failed("syncing", new ChainError(ChainErrorCode.Disconnected, reason, { retryable: true }));
}

/** Whether a node says that it is catching up. One that does not tell its health is taken at its heads alone. */
export async function isSyncing(session: ChainSession): Promise<boolean> {
  try {
    const health = await session.request<{ readonly isSyncing?: unknown } | null>("system_health", []);
    return health?.isSyncing === true;
  } catch (error) {
    if (error instanceof ChainError) return false;
    throw error;
  }
}

type Failed = Extract<Opening, { readonly kind: "failed" }>;

function failed(cause: SessionEnd["cause"], error: ChainError): Failed {
  return { kind: "failed", end: { cause, reason: error.message }, error };
}
