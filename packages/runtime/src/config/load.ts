import convict from "convict";
import { parseArguments } from "./arguments.ts";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { type FileSchema, readNetworkFile } from "./network-file.ts";
import { resolvePathArgument } from "./path-argument.ts";
import { type ConfigSchema, type ConfigValues, type DeepReadonly, schemaLeaves } from "./schema.ts";
import { type Environment, settleValues } from "./sources.ts";
import { type FileValues, readConfigFile } from "./yaml-file.ts";

export interface LoadOptions<S extends ConfigSchema, N> {
  /** Names the file looked for in a folder: `<service>.yaml`. */
  readonly service: string;
  readonly schema: S;
  /** Arguments without the interpreter and the script: `process.argv.slice(2)`. */
  readonly args: readonly string[];
  readonly env: Environment;
  /** Read when `--path` leads to no file. */
  readonly file?: string | undefined;
  /** The network's constants: a file of its own, chosen by the configuration and overridden by nothing. */
  readonly network?: {
    readonly schema: FileSchema<N>;
    /** Gets defaults in place of bad values. */
    file(values: ConfigValues<S>): string;
  };
  /** Rules between values. Gets defaults in place of bad values. */
  readonly check?: (values: ConfigValues<S>) => readonly ConfigProblem[];
}

/** Frozen through and through. */
export interface LoadedConfig<S extends ConfigSchema, N> {
  readonly schema: S;
  readonly values: ConfigValues<S>;
  /** Null when none were asked for. */
  readonly network: DeepReadonly<N>;
  /** Things accepted that should be written differently: to be logged. */
  readonly warnings: readonly string[];
  /** The file that was read; null for none. */
  readonly file: string | null;
  /** The folder `--path` named or that holds its file; null without `--path`. */
  readonly directory: string | null;
}

/**
 * Reads a service's configuration: arguments win over the environment, that over the file, that over defaults.
 *
 * An empty variable counts as not set.
 *
 * @throws ConfigError `CONFIG_INVALID` with every problem of every source at once.
 */
export function loadConfig<S extends ConfigSchema, N = null>(options: LoadOptions<S, N>): LoadedConfig<S, N> {
  const leaves = schemaLeaves(options.schema);
  const given = parseArguments(options.args, leaves);
  const located = resolvePathArgument(given.path, options.service);
  const file = located.file ?? options.file ?? null;
  const fromFile = file === null ? NO_FILE : readConfigFile(file, options.schema);
  const settled = settleValues(leaves, { given, env: options.env, file, fromFile });
  const values = nest(settled.values) as ConfigValues<S>;
  const network =
    options.network === undefined ? null : readNetworkFile(options.network.file(values), options.network.schema);

  const problems = [...given.problems, ...located.problems, ...fromFile.problems, ...settled.problems];
  problems.push(...(isProblems(network) ? network : []), ...(options.check?.(values) ?? []));
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    schema: options.schema,
    values: deepFreeze(values),
    network: deepFreeze(network as DeepReadonly<N>),
    warnings: fromFile.warnings,
    file,
    directory: located.directory,
  };
}

/** The configuration as one line of JSON for the log at start, secrets masked whether they are set or not. */
export function renderConfig<S extends ConfigSchema, N>({ schema, values }: LoadedConfig<S, N>): string {
  const masked = convict(schema as convict.Schema<unknown>, { env: {}, args: [] })
    .load(values)
    .toString();
  return JSON.stringify(JSON.parse(masked));
}

const NO_FILE: FileValues = { values: new Map(), problems: [], warnings: [] };

function isProblems<N>(network: N | readonly ConfigProblem[] | null): network is readonly ConfigProblem[] {
  return Array.isArray(network);
}

function nest(values: ReadonlyMap<string, unknown>): object {
  const root: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let section = root;
    for (const key of keys) {
      section[key] ??= {};
      section = section[key] as Record<string, unknown>;
    }
    section[last] = value;
  }
  return root;
}

function deepFreeze<V>(value: V): V {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
