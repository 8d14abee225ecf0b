import { isAppError } from "@assay/core/app-error";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { poolRefusal } from "../chain-refusal.ts";

/** JSON-RPC codes 1010 to 1016 are the transaction pool's answers; 1013 says that it has the extrinsic already. */
const POOL_CODES = { first: 1010, last: 1019, alreadyImported: 1013 } as const;

/** Whether a pool refused an extrinsic because it holds the very same one, which is as good as taking it. */
export function isAlreadyImported(error: unknown): boolean {
  if (!(error instanceof ChainError)) return false;
  const { rpcCode } = error.fields;
  return rpcCode === POOL_CODES.alreadyImported;
}

/**
 * Translates what a provider throws: an answer with a code (the endpoint refused), a `TIME_DEADLINE`, or a plain
 * `Error` (no connection). Texts of the provider stay out of the message where they quote endpoint addresses, which
 * may hold an access key.
 */
export function translateRpcError(method: string, error: unknown): ChainError {
  if (error instanceof ChainError) return error;
  if (isAppError(error)) {
    const { ms } = error.fields;
    return new ChainError(ChainErrorCode.RequestDeadline, `No answer to ${method} in time`, {
      retryable: true,
      fields: { method, ms },
    });
  }
  const answer = answerOf(error);
  if (answer === null) {
    return new ChainError(ChainErrorCode.Disconnected, `No connection for ${method}`, {
      retryable: true,
      fields: { method },
    });
  }
  return translateAnswer(method, answer);
}

interface RpcAnswer {
  readonly code: number;
  readonly message: string;
  readonly detail: string;
}

function answerOf(error: unknown): RpcAnswer | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "number") return null;
  const detail = "data" in error ? textOf(error.data) : "";
  return { code: error.code, message: error.message, detail };
}

function textOf(detail: unknown): string {
  if (detail === undefined || detail === null) return "";
  return typeof detail === "string" ? detail : JSON.stringify(detail);
}

function translateAnswer(method: string, { code, message, detail }: RpcAnswer): ChainError {
  if (code >= POOL_CODES.first && code <= POOL_CODES.last) return poolRefusal(code, detail === "" ? message : detail);
  const fields = { method, rpcCode: code, detail };
  const all = `${message} ${detail}`;
  if (/state already discarded|statedb.*discarded|pruned/i.test(all)) {
    return new ChainError(ChainErrorCode.StateDiscarded, "The endpoint has pruned that block's state", { fields });
  }
  if (/unknown ?block|header was not found|block not found/i.test(all)) {
    return new ChainError(ChainErrorCode.BlockUnknown, "The endpoint does not know that block", { fields });
  }
  return new ChainError(ChainErrorCode.RequestFailed, `The endpoint refused ${method}: ${message}`, { fields });
}
