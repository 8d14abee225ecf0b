import { expect, test } from "vitest";
import { AppError, isAppError } from "./app-error.ts";

class ProbeError extends AppError<"PROBE_FAILED"> {}

test("an error of ours carries its code, its facts and its cause", () => {
  const cause = new Error("disk");
  const error = new ProbeError("PROBE_FAILED", "Could not probe", { retryable: true, fields: { uid: 3 }, cause });
  expect(error).toMatchObject({ name: "ProbeError", code: "PROBE_FAILED", retryable: true, fields: { uid: 3 }, cause });
  expect(isAppError(error)).toBe(true);
});

test("is not retried unless it says so, and has no cause unless it was given one", () => {
  const error = new ProbeError("PROBE_FAILED", "Could not probe");
  expect(error).toMatchObject({ retryable: false, fields: {} });
  expect("cause" in error).toBe(false);
});

test("another library's error with a code is not ours", () => {
  expect(isAppError(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe(false);
  expect(isAppError("PROBE_FAILED")).toBe(false);
});
