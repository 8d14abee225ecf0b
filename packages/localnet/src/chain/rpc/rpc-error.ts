/** A request's refusal, with the code and the words of a real node. */
export class RpcError extends Error {
  readonly code: number;
  readonly detail: string | undefined;

  constructor(code: number, message: string, detail?: string) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.detail = detail;
  }
}

export const RpcErrorCode = {
  Parse: -32_700,
  InvalidRequest: -32_600,
  MethodNotFound: -32_601,
  InvalidParams: -32_602,
  Internal: -32_603,
  /** The runtime could not make sense of an extrinsic's bytes. */
  Verification: 1002,
  /** Bad signature, stale nonce, and the like. */
  InvalidTransaction: 1010,
  TemporarilyBanned: 1012,
  AlreadyImported: 1013,
  PriorityTooLow: 1014,
  PoolFull: 1016,
  /** A block that is unknown or whose state is gone. */
  State: 4003,
} as const;

/** The pool's refusal of a transaction that could never be included as it is. */
export function invalidTransaction(reason: string): RpcError {
  return new RpcError(RpcErrorCode.InvalidTransaction, "Invalid Transaction", reason);
}
