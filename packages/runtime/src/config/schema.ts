import type convict from "convict";

/** One value of a service's configuration: convict's schema, in operators' words. */
export interface ConfigLeaf {
  /** `null` without `nullable` means that operators must set it. */
  readonly default: unknown;
  /** Says the unit and who needs to change it. */
  readonly doc: string;
  readonly format?: convict.SchemaObj["format"];
  /** Variable that overrides the file. Of a sensitive value also `<NAME>_FILE`, a file that holds it. */
  readonly env?: string;
  /** Another name of the argument; every value has `--<path>` anyway. */
  readonly arg?: string;
  /** Masked wherever it is shown, and never taken from an argument, which every process can read. */
  readonly sensitive?: boolean;
  /** Never taken from the file, which ends up in backups and repositories. */
  readonly environmentOnly?: boolean;
  readonly nullable?: boolean;
}

export interface ConfigSchema {
  readonly [key: string]: ConfigLeaf | ConfigSchema;
}

/** The values that a schema describes. A leaf with a `nullable` key may be null, any other may not. */
export type ConfigValues<S> = {
  readonly [K in keyof S]: S[K] extends { readonly default: infer Default; readonly doc: string }
    ? S[K] extends { readonly nullable: boolean }
      ? DeepReadonly<Default>
      : DeepReadonly<NonNullable<Default>>
    : ConfigValues<S[K]>;
};

export type DeepReadonly<T> = T extends Primitive
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T;

type Primitive = string | number | bigint | boolean | null | undefined;

/** Every leaf by its dotted path, in the schema's order. */
export function schemaLeaves(schema: ConfigSchema): Map<string, ConfigLeaf> {
  return new Map(walk(schema, "").flatMap(([path, node]) => (isLeaf(node) ? [[path, node]] : [])));
}

/** Every section by its dotted path. */
export function schemaSections(schema: ConfigSchema): string[] {
  return walk(schema, "").flatMap(([path, node]) => (isLeaf(node) ? [] : [path]));
}

type SchemaNode = ConfigLeaf | ConfigSchema;

function walk(section: ConfigSchema, prefix: string): [string, SchemaNode][] {
  return Object.entries(section).flatMap(([key, node]): [string, SchemaNode][] => {
    const path = prefix + key;
    return isLeaf(node) ? [[path, node]] : [[path, node], ...walk(node, `${path}.`)];
  });
}

/** A section may have a key named `doc` or `default`, but not as a text. */
function isLeaf(node: SchemaNode): node is ConfigLeaf {
  return "default" in node && typeof node.doc === "string";
}
