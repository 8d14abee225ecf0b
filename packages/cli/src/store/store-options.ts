import {
  type ObjectStoreOptions,
  type ObjectStoreValues,
  objectStoreOptions,
  objectStoreProblems,
  objectStoreSchema,
} from "@assay/checkpoint/object-store/object-store-options";
import { ConfigError } from "@assay/runtime/config/config-error";
import { schemaLeaves } from "@assay/runtime/config/schema";
import type { Environment } from "@assay/runtime/config/sources";
import type { OptionRule } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { PATH_OPTION, settledValues } from "../operator/settled-values.ts";

const SECTION = "object_store";
const LEAVES = schemaLeaves({ [SECTION]: objectStoreSchema });
/** Options by the keys that they stand for; secrets are none. */
const NAMES = { endpoint: "URL", region: "NAME", bucket: "NAME", prefix: "TEXT", path_style: "true|false" } as const;
type Key = keyof typeof NAMES;

export const STORE_OPTIONS: Readonly<Record<string, OptionRule>> = {
  ...PATH_OPTION,
  ...Object.fromEntries(
    (Object.keys(NAMES) as Key[]).map((key) => {
      const { doc, default: otherwise, env } = objectStoreSchema[key];
      const shown = otherwise === "" ? "" : ` (${otherwise})`;
      return [optionOf(key), { value: NAMES[key], doc: `${doc}${shown} ${env}` }];
    }),
  ),
  timeout: { value: "SECONDS", doc: "how long all of it may take (60)" },
};

/**
 * The object store that the evaluator uploads to: options win over the environment, that over its configuration.
 *
 * @throws ConfigError `CONFIG_INVALID` with every problem.
 */
export function storeOf(options: CommandOptions, env: Environment): ObjectStoreOptions {
  const given = new Map(
    (Object.keys(NAMES) as Key[]).flatMap((key) => {
      const text = options.text(optionOf(key));
      return text === null ? [] : [[`${SECTION}.${key}`, text] as const];
    }),
  );
  const schema = { [SECTION]: objectStoreSchema };
  const { values } = settledValues({ schema, leaves: LEAVES, given, path: options.text("path"), env });
  const store = Object.fromEntries(
    Object.keys(objectStoreSchema).map((key) => [key, values.get(`${SECTION}.${key}`)]),
  ) as unknown as ObjectStoreValues;
  const problems = objectStoreProblems(store);
  if (problems.length > 0) throw new ConfigError(problems);
  return objectStoreOptions(store);
}

function optionOf(key: Key): string {
  return key.replace("_", "-");
}
