import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { poolRefusal } from "../chain-refusal.ts";

/** JSON-RPC codes 1010 to 1019 are the transaction pool's answers. */
const POOL_CODES = { first: 1010, last: 1019 } as const;

/** For a request that nobody could be asked, or whose answer was lost with the connection. */
export function disconnectedError(method: string): ChainError {
  return new ChainError(ChainErrorCode.Disconnected, `No connection for ${method}`, {
    retryable: true,
    fields: { method },
  });
}

/** For a request that an endpoint took and did not answer. */
export function deadlineError(method: string, ms: number): ChainError {
  return new ChainError(ChainErrorCode.RequestDeadline, `No answer to ${method} within ${ms} ms`, {
    retryable: true,
    fields: { method, ms },
  });
}

/** For a request that an endpoint answered with an error object: `{ code, message, data? }`. */
export function answerError(method: string, error: unknown): ChainError {
  const { code, message, detail } = readAnswer(error);
  if (code >= POOL_CODES.first && code <= POOL_CODES.last) return poolRefusal(code, detail === "" ? message : detail);
  const fields = { method, rpcCode: code, detail };
  const all = `${message} ${detail}`;
  if (/state already discarded|pruned/i.test(all)) {
    return new ChainError(ChainErrorCode.StateDiscarded, "The endpoint has pruned that block's state", { fields });
  }
  if (/unknown ?block|header was not found|block not found/i.test(all)) {
    return new ChainError(ChainErrorCode.BlockUnknown, "The endpoint does not know that block", { fields });
  }
  return new ChainError(ChainErrorCode.RequestFailed, `The endpoint refused ${method}: ${message}`, { fields });
}

interface RpcAnswer {
  readonly code: number;
  readonly message: string;
  readonly detail: string;
}

function readAnswer(error: unknown): RpcAnswer {
  const answer: Readonly<Record<string, unknown>> = typeof error === "object" && error !== null ? { ...error } : {};
  const { code, message, data } = answer;
  return { code: typeof code === "number" ? code : 0, message: textOf(message), detail: textOf(data) };
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
