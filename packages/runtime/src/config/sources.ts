import { readFileSync } from "node:fs";
import type { ArgumentValues } from "./arguments.ts";
import { coerce } from "./coerce.ts";
import type { ConfigProblem } from "./config-error.ts";
import type { ConfigLeaf } from "./schema.ts";
import type { FileValues } from "./yaml-file.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that may set a value, strongest first. */
export interface Sources {
  readonly given: ArgumentValues;
  readonly env: Environment;
  readonly file: string | null;
  readonly fromFile: FileValues;
}

/** Each leaf's value by dotted path: its default where the value is bad, and then there is a problem too. */
export interface SettledValues {
  readonly values: ReadonlyMap<string, unknown>;
  readonly problems: readonly ConfigProblem[];
}

/** Decides every value: arguments win over the environment, that over the file, that over the default. */
export function settleValues(leaves: ReadonlyMap<string, ConfigLeaf>, sources: Sources): SettledValues {
  const values = new Map<string, unknown>();
  const problems: ConfigProblem[] = [];
  for (const [path, leaf] of leaves) {
    const settled = settle(path, leaf, sources);
    if ("problem" in settled) problems.push(settled.problem);
    values.set(path, "problem" in settled ? leaf.default : settled.value);
  }
  return { values, problems };
}

type Settled = { readonly value: unknown } | { readonly problem: ConfigProblem };

/** A value and where it came from, as operators name that place. */
interface Origin {
  readonly value: unknown;
  readonly name?: string;
  readonly file?: string;
  readonly line?: number;
}

function settle(path: string, leaf: ConfigLeaf, sources: Sources): Settled {
  const inFile = fileOrigin(path, sources);
  if (leaf.environmentOnly === true && inFile !== null) {
    const instead = leaf.env === undefined ? "" : `; set ${leaf.env} instead`;
    return refuse(path, `is a secret and does not belong in a file${instead}`, inFile);
  }
  const origin = argumentOrigin(path, sources) ?? environmentOrigin(leaf, sources.env) ?? inFile;
  if (origin === null) return settleDefault(path, leaf);
  if ("message" in origin) return { problem: { path, message: origin.message } };
  const coerced = coerce(origin.value, leaf);
  return coerced.ok ? coerced : refuse(path, coerced.message, origin);
}

function refuse(path: string, message: string, { name, file, line }: Omit<Origin, "value">): Settled {
  const place = { ...(file !== undefined && { file }), ...(line !== undefined && { line }) };
  return { problem: { path, message: name === undefined ? message : `${message} (${name})`, ...place } };
}

function settleDefault(path: string, leaf: ConfigLeaf): Settled {
  if (leaf.default !== null) return { value: leaf.default };
  if (leaf.nullable === true) return { value: null };
  return refuse(path, leaf.env === undefined ? "is required" : `is required (or environment ${leaf.env})`, {});
}

function argumentOrigin(path: string, { given }: Sources): Origin | null {
  const value = given.values.get(path);
  return value === undefined ? null : { value, name: `argument --${path}` };
}

function fileOrigin(path: string, { file, fromFile }: Sources): Origin | null {
  const found = fromFile.values.get(path);
  return found === undefined ? null : { ...found, ...(file !== null && { file }) };
}

function environmentOrigin(
  { env: name, sensitive }: ConfigLeaf,
  env: Environment,
): Origin | { message: string } | null {
  if (name === undefined) return null;
  const value = env[name] ?? "";
  const secretFile = sensitive === true ? (env[`${name}_FILE`] ?? "") : "";
  if (value !== "" && secretFile !== "") return { message: `is set by both ${name} and ${name}_FILE` };
  if (value !== "") return { value, name: `environment ${name}` };
  return secretFile === "" ? null : readSecret(secretFile, `${name}_FILE`);
}

function readSecret(file: string, name: string): Origin | { message: string } {
  try {
    return { value: readFileSync(file, "utf8").trim(), name: `environment ${name}` };
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return { message: `cannot be read from the file that ${name} names (${reason})` };
  }
}
