import { AppError } from "@assay/core/app-error";
import { expect, test } from "vitest";
import { failureCode, failureText } from "./job-failure.ts";

test.each([
  [new AppError("CHILD_EXITED", "The child is gone: 9"), "CHILD_EXITED: The child is gone: 9", "CHILD_EXITED"],
  [new TypeError("x is not a function"), "TypeError: x is not a function", null],
  ["job stalled more than allowable limit", "job stalled more than allowable limit", null],
])("of %s the queue keeps a text, and the code can be read back", (error, text, code) => {
  expect(failureText(error)).toBe(text);
  expect(failureCode(text)).toBe(code);
});
