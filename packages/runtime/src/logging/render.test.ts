import { AppError } from "@assay/core/app-error";
import { describe, expect, test } from "vitest";
import type { LogRecord } from "./log-record.ts";
import { createMemoryLogger } from "./memory-logger.ts";
import { fieldName, renderRecord } from "./render.ts";

const record: LogRecord = {
  time: Date.UTC(2026, 10, 21, 23, 30, 15, 123),
  level: "info",
  service: "evaluator",
  message: "Downloaded submission",
  fields: { module: "downloads", roundId: 5_012_340, uid: 17, bytes: 41_231_232, ms: 1834 },
};

describe("the human form", () => {
  test("is the published one, in UTC, without the module", () => {
    expect(renderRecord(record, "human")).toBe(
      "2026-11-21 23:30:15.123 [INFO] Downloaded submission | round: 5012340 | uid: 17 | bytes: 41231232 | ms: 1834",
    );
  });

  test("leaves out what is undefined and keeps null", () => {
    const line = renderRecord({ ...record, fields: { lossBefore: undefined, lossAfter: null } }, "human");
    expect(line).toBe("2026-11-21 23:30:15.123 [INFO] Downloaded submission | loss_after: null");
  });

  test("does not let text from the network forge a line or move the cursor", () => {
    const hotkey = "5F\n2026-11-21 [INFO] Forged\u001b[2K\u202e\u0085";
    expect(renderRecord({ ...record, fields: { hotkey } }, "human")).toBe(
      "2026-11-21 23:30:15.123 [INFO] Downloaded submission | hotkey: 5F\\n2026-11-21 [INFO] Forged\\u001b[2K\\u202e\\u0085",
    );
  });

  test("shows an error's code, fields, stack and cause", () => {
    const cause = new TypeError("socket\nhang up");
    const error = new AppError("CHAIN_DISCONNECTED", "No connection", { fields: { endpoint: "ws://a" }, cause });
    error.stack = "AppError: No connection\n    at connect (client.ts:1:2)";
    cause.stack = "TypeError: socket\n    at read (net.ts:3:4)";
    expect(renderRecord({ ...record, level: "error", fields: {}, error }, "human").split("\n")).toEqual([
      "2026-11-21 23:30:15.123 [ERROR] Downloaded submission | error: CHAIN_DISCONNECTED (AppError): No connection | endpoint: ws://a",
      "    at connect (client.ts:1:2)",
      "  caused by TypeError: socket\\nhang up",
      "    at read (net.ts:3:4)",
    ]);
  });
});

describe("the JSON form", () => {
  test("carries the same fields and the module", () => {
    expect(JSON.parse(renderRecord(record, "json"))).toEqual({
      time: "2026-11-21T23:30:15.123Z",
      level: "info",
      service: "evaluator",
      message: "Downloaded submission",
      module: "downloads",
      round: 5_012_340,
      uid: 17,
      bytes: 41_231_232,
      ms: 1834,
    });
  });

  test("does not let a field replace the line's own", () => {
    const line = JSON.parse(renderRecord({ ...record, fields: { level: "debug", error: "x" } }, "json"));
    expect(line).toMatchObject({ level: "info", field_level: "debug", field_error: "x" });
  });

  test("prints an error and its causes as objects, and numbers JSON has not as text", () => {
    const error = new AppError("LEDGER_LOCKED", "Locked", { fields: { path: "l.db" }, cause: new Error("busy") });
    const line = JSON.parse(renderRecord({ ...record, fields: { loss: Number.NaN, stakeRao: 5n }, error }, "json"));
    expect(line).toMatchObject({
      loss: "NaN",
      stake_rao: "5",
      error: { name: "AppError", code: "LEDGER_LOCKED", fields: { path: "l.db" }, cause: { message: "busy" } },
    });
  });

  test("ends a chain of causes that leads back to itself", () => {
    const error = new Error("loop");
    error.cause = error;
    expect(renderRecord({ ...record, error }, "json")).toContain('"message":"loop"');
  });
});

test.each([
  ["roundId", "round"],
  ["lossBefore", "loss_before"],
  ["loss_after", "loss_after"],
  ["wI", "w_i"],
  ["uid", "uid"],
])("the field %s is printed as %s", (key, printed) => {
  expect(fieldName(key)).toBe(printed);
});

test("a field named like a secret is not printed, a count of tokens is", () => {
  const line = renderRecord({ ...record, fields: { authToken: "abc", tokens: 4096 } }, "human");
  expect(line).toContain("auth_token: [hidden] | tokens: 4096");
});

test("a child's fields come first and a call's field wins", () => {
  const logger = createMemoryLogger();
  logger.child({ roundId: 1, uid: 2 }).child({ module: "scores" }).warn("Late", { uid: 3, block: 4 });
  expect(logger.lines()).toEqual(["[WARN] Late | round: 1 | uid: 3 | block: 4"]);
});
