import { isAppError } from "@assay/core/app-error";
import type { LogFields, LogRecord, LogValue } from "./log-record.ts";

export const LOG_FORMATS = ["human", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/**
 * One record as text without a final line break.
 *
 * Human: `2026-11-21 23:30:15.123 [INFO] Message | key: value`, in UTC; an error's stack follows on indented lines.
 * JSON: one object with the same fields. `module` is in the JSON form only. Control characters never get through.
 */
export function renderRecord(record: LogRecord, format: LogFormat): string {
  return format === "json" ? renderJson(record) : renderHuman(record);
}

/** `roundId` is printed as `round`, `lossBefore` as `loss_before`, in both forms. */
export function fieldName(key: string): string {
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake.length > 3 && snake.endsWith("_id") ? snake.slice(0, -3) : snake;
}

function renderHuman(record: LogRecord): string {
  const time = new Date(record.time).toISOString().replace("T", " ").slice(0, -1);
  const facts = shownFields(record.fields)
    .filter(([key]) => key !== "module")
    .map(([key, value]) => ` | ${key}: ${escapeControls(humanValue(value))}`);
  const head = `${time} [${record.level.toUpperCase()}] ${escapeControls(record.message)}${facts.join("")}`;
  return record.error === undefined ? head : `${head}${humanError(describeError(record.error))}`;
}

function renderJson(record: LogRecord): string {
  const line: Record<string, unknown> = {
    time: new Date(record.time).toISOString(),
    level: record.level,
    service: record.service,
    message: record.message,
  };
  for (const [key, value] of shownFields(record.fields)) {
    line[key in line || key === "error" ? `field_${key}` : key] = value;
  }
  const error = record.error === undefined ? undefined : describeError(record.error);
  return escapeControls(JSON.stringify({ ...line, error }, jsonValue));
}

const SECRET_KEY = /(?:token|password|secret|mnemonic|authorization)$/i;

function shownFields(fields: LogFields): [string, LogValue][] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [fieldName(key), SECRET_KEY.test(key) ? "[hidden]" : value]);
}

function humanValue(value: LogValue): string {
  return Array.isArray(value) ? `[${value.map(humanValue).join(", ")}]` : String(value);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value;
}

interface DescribedError {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly fields?: LogFields;
  readonly stack?: readonly string[];
  readonly cause?: DescribedError;
}

const MAX_CAUSES = 8;

function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) };
  const stack = error.stack?.split("\n").filter((line) => line.startsWith("    at "));
  return {
    name: error.name,
    ...("code" in error && { code: String(error.code) }),
    message: error.message,
    ...(isAppError(error) && { fields: Object.fromEntries(shownFields(error.fields)) }),
    ...(stack !== undefined && { stack: stack.map((line) => line.trim()) }),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: describeError(error.cause, depth + 1) }),
  };
}

function humanError(error: DescribedError): string {
  const title = error.code === undefined ? error.name : `${error.code} (${error.name})`;
  const facts = Object.entries(error.fields ?? {}).map(([key, value]) => ` | ${key}: ${humanValue(value)}`);
  const summary = ` | error: ${title}: ${error.message}${facts.join("")}`;
  const stack = (error.stack ?? []).map((line) => `\n    ${escapeControls(line)}`).join("");
  const cause = error.cause === undefined ? "" : `\n  caused by${humanError(error.cause).replace(" | error:", "")}`;
  return escapeControls(summary) + stack + cause;
}

/** Text from the network must not forge a line or move a terminal's cursor. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escapeOne);
}

function escapeOne(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}
