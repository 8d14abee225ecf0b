import { expect, test } from "vitest";
import { answerError } from "./rpc-error.ts";

const DISCARDED = "Client error: UnknownBlock: State already discarded for 0x12";

test.each([
  [{ code: 4003, message: DISCARDED }, "CHAIN_STATE_DISCARDED", false],
  [{ code: -32000, message: "Client error", data: "State already discarded" }, "CHAIN_STATE_DISCARDED", false],
  [{ code: -32000, message: "Client error: UnknownBlock: Header was not found" }, "CHAIN_BLOCK_UNKNOWN", false],
  [{ code: -32601, message: "Method not found" }, "CHAIN_REQUEST_FAILED", false],
  [{ code: 1010, message: "Invalid Transaction", data: "Custom error: 6" }, "CHAIN_RATE_LIMITED", true],
  [{ code: 1010, message: "Invalid Transaction", data: { invalid: { custom: 6 } } }, "CHAIN_RATE_LIMITED", true],
  ["no error object at all", "CHAIN_REQUEST_FAILED", false],
])("the answer %j becomes %s", (answer, code, retryable) => {
  expect(answerError("state_getStorage", answer)).toMatchObject({ code, retryable });
});
