import { parseArgs } from "node:util";
import { type AppError, isAppError } from "@assay/core/app-error";
import { CliError, CliErrorCode, usageError } from "./cli-error.ts";
import { type Command, type CommandContext, type CommandGroup, type CommandInput, isGroup } from "./command.ts";
import { CommandOptions } from "./command-options.ts";
import { findCommand } from "./find-command.ts";
import { COMMON_OPTIONS, helpOf } from "./help.ts";

/**
 * What the process says, and how it ends: 0 done, 1 failed or the answer is no, 2 not understood, 130 interrupted, and
 * what a command says of its own failures.
 */
export interface CliOutcome {
  readonly exitCode: number;
  /** For standard output. */
  readonly out: string;
  /** For standard error. */
  readonly err: string;
}

/** Runs one command line against a table of commands. Never throws. */
export async function runCli(
  root: CommandGroup,
  args: readonly string[],
  context: CommandContext,
): Promise<CliOutcome> {
  const json = args.includes("--json");
  try {
    return await runCommand(root, args, context);
  } catch (error) {
    const failure = failureOf(error, context.signal);
    const exitCode = EXIT_CODES[failure.code] ?? failureExit(root, args);
    if (json) return { exitCode, out: `${JSON.stringify({ error: describe(failure) }, jsonValue, 2)}\n`, err: "" };
    return { exitCode, out: "", err: `${lineOf(failure)}\n${stackOf(failure)}` };
  }
}

const EXIT_CODES: Readonly<Record<string, number>> = { [CliErrorCode.Usage]: 2, [CliErrorCode.Interrupted]: 130 };

/** Of the command that was found: what is not found is not understood, and has a code of its own. */
function failureExit(root: CommandGroup, args: readonly string[]): number {
  const { command } = findCommand(root, args);
  return isGroup(command) ? 1 : (command.failureExit ?? 1);
}

async function runCommand(root: CommandGroup, args: readonly string[], context: CommandContext): Promise<CliOutcome> {
  const found = findCommand(root, args);
  const { command, rest, path } = found;
  if (rest.includes("--help") || rest.includes("-h")) return { exitCode: 0, out: helpOf(found), err: "" };
  if (isGroup(command)) {
    throw usageError(`${["assay", ...path].join(" ")} needs a command: ${Object.keys(command.commands).join(", ")}`);
  }
  const { json, ...input } = parseInput(command, rest);
  const { exitCode, ...result } = await command.run(input, context);
  return { exitCode, out: json ? `${JSON.stringify(result.json, jsonValue, 2)}\n` : result.text, err: "" };
}

function parseInput(command: Command, args: readonly string[]): CommandInput & { readonly json: boolean } {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([name, rule]) =>
      [
        name,
        { type: "value" in rule ? "string" : "boolean", multiple: "multiple" in rule && rule.multiple === true },
      ] as const,
  );
  const { values, positionals } = parsed(args, Object.fromEntries(options));
  const given = new CommandOptions(values);
  const { operands } = command;
  if (positionals.length === operands.length) {
    return { operands: positionals, options: given, json: given.flag("json") };
  }
  const surplus = positionals[operands.length];
  throw usageError(surplus === undefined ? `${operands[positionals.length]} is missing` : `What is ${surplus}?`);
}

type ParsedOptions = Readonly<Record<string, { readonly type: "string" | "boolean"; readonly multiple: boolean }>>;

function parsed(args: readonly string[], options: ParsedOptions) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError && "code" in error) throw usageError(error.message);
    throw error;
  }
}

function failureOf(error: unknown, signal: AbortSignal): AppError {
  if (signal.aborted) return new CliError(CliErrorCode.Interrupted, "Interrupted");
  if (isAppError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CliError(CliErrorCode.Unexpected, message, { cause: error });
}

function describe({ code, message, fields }: AppError) {
  return { code, message, fields };
}

function lineOf({ code, message, fields }: AppError): string {
  const facts = Object.entries(fields).filter(([, value]) => value !== undefined);
  return [`${code}: ${message}`, ...facts.map(([key, value]) => `${key}: ${value}`)].join(" | ");
}

/** Only what nobody foresaw is worth its stack. */
function stackOf({ code, cause }: AppError): string {
  return code === CliErrorCode.Unexpected && cause instanceof Error ? `${cause.stack}\n` : "";
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Map ? Object.fromEntries(value) : value;
}
