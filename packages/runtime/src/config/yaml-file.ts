import { isMap, isScalar, type Node, type Pair, type YAMLMap } from "yaml";
import type { ConfigProblem } from "./config-error.ts";
import { nearest } from "./nearest.ts";
import { type ConfigSchema, schemaLeaves, schemaSections } from "./schema.ts";
import { readYaml, YamlDocument } from "./yaml-document.ts";

/** What a file says, by dotted path, with the line it says it on. */
export interface FileValues {
  readonly values: ReadonlyMap<string, { readonly value: unknown; readonly line: number }>;
  readonly problems: readonly ConfigProblem[];
  /** Things accepted that should be written differently. */
  readonly warnings: readonly string[];
}

/** Reads a YAML file and sorts its keys by a schema. Nothing is thrown: what is wrong becomes a problem. */
export function readConfigFile(file: string, schema: ConfigSchema): FileValues {
  const document = readYaml(file);
  if (!(document instanceof YamlDocument)) return { values: new Map(), problems: [document], warnings: [] };
  const walk = new Walk(document, schema);
  walk.root();
  return walk;
}

class Walk implements FileValues {
  readonly values = new Map<string, { readonly value: unknown; readonly line: number }>();
  readonly problems: ConfigProblem[];
  readonly warnings: string[] = [];
  readonly #document: YamlDocument;
  readonly #leaves: ReadonlySet<string>;
  readonly #sections: ReadonlySet<string>;

  constructor(document: YamlDocument, schema: ConfigSchema) {
    this.#document = document;
    this.problems = [...document.problems];
    this.#leaves = new Set(schemaLeaves(schema).keys());
    this.#sections = new Set(schemaSections(schema));
  }

  root(): void {
    const { root } = this.#document;
    if (isMap(root)) this.#section(root, "");
    else if (root !== null && this.problems.length === 0) this.#problem("file", "must be keys and values", 1);
  }

  #section(map: YAMLMap, prefix: string): void {
    const empty = map.items
      .filter((pair) => this.#sections.has(prefix + keyOf(pair)) && isEmpty(pair.value as Node | null))
      .map((pair) => prefix + keyOf(pair));
    for (const pair of map.items) this.#entry(pair, prefix, empty);
  }

  #entry(pair: Pair, prefix: string, emptySections: readonly string[]): void {
    const path = prefix + keyOf(pair);
    const line = this.#document.lineOf(pair.key);
    const value = pair.value as Node | null;
    if (this.#leaves.has(path)) this.#leaf(path, value, line);
    else if (!this.#sections.has(path)) this.#unknown(path, keyOf(pair), value, line, emptySections);
    else if (isMap(value)) this.#section(value, `${path}.`);
    else if (!isEmpty(value)) this.#problem(path, "must be a section of keys", line);
  }

  #leaf(path: string, value: Node | null, line: number): void {
    if (this.values.has(path)) this.#problem(path, "is set twice", line);
    this.values.set(path, { value: value?.toJSON() ?? null, line });
  }

  /** The published sample lost its indentation: `name` and `hotkey` stand beside an empty `wallet:`. */
  #unknown(path: string, key: string, value: Node | null, line: number, emptySections: readonly string[]): void {
    const [owner, ...others] = emptySections.filter((section) => this.#leaves.has(`${section}.${key}`));
    if (owner !== undefined && others.length === 0) {
      const place = `${this.#document.file}:${line}`;
      this.warnings.push(`${place}: "${path}" is read as "${owner}.${key}"; indent it under "${owner}:"`);
      this.#leaf(`${owner}.${key}`, value, line);
      return;
    }
    const known = nearest(path, [...this.#leaves, ...this.#sections]);
    this.#problem(path, known === null ? "is not a known key" : `is not a known key; did you mean ${known}?`, line);
  }

  #problem(path: string, message: string, line: number): void {
    this.problems.push({ path, message, file: this.#document.file, line });
  }
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function isEmpty(value: Node | null): boolean {
  return value === null || (isScalar(value) && value.value === null);
}
