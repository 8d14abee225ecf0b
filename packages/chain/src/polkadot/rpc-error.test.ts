import { TimeError, TimeErrorCode } from "@assay/runtime/time/time-error";
import { expect, test } from "vitest";
import { isAlreadyImported, translateRpcError } from "./rpc-error.ts";

function answer(code: number, message: string, data?: unknown): Error {
  return Object.assign(new Error(message), { code, data });
}

test.each([
  [answer(4003, "Client error: UnknownBlock: State already discarded for 0x12"), "CHAIN_STATE_DISCARDED", false],
  [
    answer(-32000, "Client error", "Api called for an unknown Block: State already discarded"),
    "CHAIN_STATE_DISCARDED",
    false,
  ],
  [answer(-32000, "Client error: UnknownBlock: Header was not found in the database"), "CHAIN_BLOCK_UNKNOWN", false],
  [answer(-32601, "Method not found"), "CHAIN_REQUEST_FAILED", false],
  [answer(1010, "Invalid Transaction", "Custom error: 6"), "CHAIN_RATE_LIMITED", true],
  [answer(1010, "Invalid Transaction", { invalid: { custom: 6 } }), "CHAIN_RATE_LIMITED", true],
  [new Error("disconnected from wss://node.example/secret-key: 1006::"), "CHAIN_DISCONNECTED", true],
  [new TimeError(TimeErrorCode.Deadline, "late", { fields: { ms: 10 } }), "CHAIN_REQUEST_DEADLINE", true],
])("%s becomes %s", (error, code, retryable) => {
  expect(translateRpcError("state_getStorage", error)).toMatchObject({ code, retryable });
});

test("an endpoint's address, which may hold an access key, is not passed on", () => {
  const error = translateRpcError("chain_getHeader", new Error("disconnected from wss://node.example/secret-key"));
  expect(JSON.stringify([error.message, error.fields, error.cause])).not.toContain("secret-key");
});

test("a pool that has the extrinsic already is told apart from one that refuses it", () => {
  expect(isAlreadyImported(translateRpcError("m", answer(1013, "Transaction Already Imported")))).toBe(true);
  expect(isAlreadyImported(translateRpcError("m", answer(1010, "Invalid Transaction", "stale")))).toBe(false);
});
