import { ConfigError } from "@assay/runtime/config/config-error";
import { resolvePathArgument } from "@assay/runtime/config/path-argument";
import type { ConfigLeaf, ConfigSchema } from "@assay/runtime/config/schema";
import { type Environment, settleValues } from "@assay/runtime/config/sources";
import { readConfigFile } from "@assay/runtime/config/yaml-file";
import type { OptionRule } from "../command.ts";

export const PATH_OPTION: Readonly<Record<string, OptionRule>> = {
  path: { value: "FOLDER|FILE", doc: "the evaluator's configuration, as its own --path" },
};

export interface ValueSources {
  /** The keys that a command asks for; others in the file are left alone. */
  readonly schema: ConfigSchema;
  readonly leaves: ReadonlyMap<string, ConfigLeaf>;
  /** Values of options by their keys. */
  readonly given: ReadonlyMap<string, string>;
  /** Of `--path`; null without. */
  readonly path: string | null;
  readonly env: Environment;
}

/**
 * Values as the evaluator would have them: options win over the environment, that over the file, that over defaults.
 *
 * @returns them, and which of them the file says.
 * @throws ConfigError `CONFIG_INVALID` with every problem.
 */
export function settledValues({ schema, leaves, given, path, env }: ValueSources): {
  readonly values: ReadonlyMap<string, unknown>;
  readonly inFile: ReadonlyMap<string, unknown>;
} {
  const located = resolvePathArgument(path, "evaluator");
  const fromFile = located.file === null ? { values: new Map(), problems: [] } : readConfigFile(located.file, schema);
  const sources = { given: { values: given, path: null, problems: [] }, env, file: located.file };
  const settled = settleValues(leaves, { ...sources, fromFile: { ...fromFile, warnings: [] } });
  const ofFile = fromFile.problems.filter(({ path: key }) => key === "file" || leaves.has(key));
  const problems = [...located.problems, ...ofFile, ...settled.problems];
  if (problems.length > 0) throw new ConfigError(problems);
  return { values: settled.values, inFile: fromFile.values };
}
