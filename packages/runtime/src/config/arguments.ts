import type { ConfigProblem } from "./config-error.ts";
import { nearest } from "./nearest.ts";
import type { ConfigLeaf } from "./schema.ts";

export interface ArgumentValues {
  /** Text by dotted path of the leaf. */
  readonly values: ReadonlyMap<string, string>;
  /** What followed `--path`; null without one. */
  readonly path: string | null;
  readonly problems: readonly ConfigProblem[];
}

/** Whether `--help` or `-h` is among the arguments. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/**
 * Sorts command-line arguments by leaf.
 *
 * `--server_port 8080`, `--server-port=8080`, `--wallet.name x`, `--flag` and `--no-flag` for a boolean.
 */
export function parseArguments(args: readonly string[], leaves: ReadonlyMap<string, ConfigLeaf>): ArgumentValues {
  const names = argumentNames(leaves);
  const values = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  let path: string | null = null;
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const parsed = /^--([^=]+)(?:=(.*))?$/s.exec(argument);
    const given = parsed?.[1] ?? "";
    const target = parsed === null ? null : resolveName(given, names, leaves);
    if (target === null) {
      problems.push(unknownArgument(argument, given, names));
      continue;
    }
    const value = parsed?.[2] ?? target.implied ?? takeValue(rest);
    if (value === null) problems.push({ path: argument, message: "needs a value" });
    else if (target.path === null) path = value;
    else if (leaves.get(target.path)?.sensitive) problems.push(secretArgument(given, leaves.get(target.path)));
    else values.set(target.path, value);
  }
  return { values, path, problems };
}

/** The argument that sets a leaf, without its dashes. */
export function argumentName(path: string, leaf: ConfigLeaf): string {
  return leaf.arg ?? path;
}

interface Target {
  /** Null for `--path` itself. */
  readonly path: string | null;
  /** What a boolean means when nothing follows it. */
  readonly implied?: string;
}

function argumentNames(leaves: ReadonlyMap<string, ConfigLeaf>): Map<string, string | null> {
  const names = new Map<string, string | null>([["path", null]]);
  for (const [path, leaf] of leaves) {
    names.set(normalise(path), path);
    if (leaf.arg !== undefined) names.set(normalise(leaf.arg), path);
  }
  return names;
}

function normalise(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[-.]/g, "_")
    .toLowerCase();
}

function resolveName(
  given: string,
  names: ReadonlyMap<string, string | null>,
  leaves: ReadonlyMap<string, ConfigLeaf>,
): Target | null {
  const direct = names.get(normalise(given));
  if (direct !== undefined) return isBoolean(direct, leaves) ? { path: direct, implied: "true" } : { path: direct };
  const negated = given.startsWith("no-") ? names.get(normalise(given.slice(3))) : undefined;
  return negated !== undefined && isBoolean(negated, leaves) ? { path: negated, implied: "false" } : null;
}

function isBoolean(path: string | null, leaves: ReadonlyMap<string, ConfigLeaf>): boolean {
  return path !== null && typeof leaves.get(path)?.default === "boolean";
}

function takeValue(rest: string[]): string | null {
  return rest[0] === undefined || rest[0].startsWith("--") ? null : (rest.shift() ?? null);
}

function unknownArgument(argument: string, given: string, names: ReadonlyMap<string, unknown>): ConfigProblem {
  const known = given === "" ? null : nearest(normalise(given), [...names.keys()]);
  const hint = known === null ? "" : `; did you mean --${known}?`;
  return { path: argument.replace(/=.*/s, ""), message: `is not a known argument${hint}` };
}

function secretArgument(given: string, leaf: ConfigLeaf | undefined): ConfigProblem {
  const instead = leaf?.env === undefined ? "" : `; set ${leaf.env} instead`;
  return { path: `--${given}`, message: `is a secret, and every process can read arguments${instead}` };
}
