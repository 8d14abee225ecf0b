import { readFileSync, statSync } from "node:fs";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import type { ConfigProblem } from "./config-error.ts";

const MAX_FILE_BYTES = 1024 * 1024;

/** A YAML text that knows where its keys stand. */
export class YamlDocument {
  readonly file: string;
  /** What makes the text unreadable; with any, nothing else should be believed. */
  readonly problems: readonly ConfigProblem[];
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(text: string, file: string) {
    this.file = file;
    this.#lines = new LineCounter();
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    this.problems = [...this.#document.errors, ...this.#document.warnings].map(({ message, pos }) => ({
      path: "file",
      message: `is not valid YAML: ${message}`,
      file,
      line: this.#lines.linePos(pos[0]).line,
    }));
  }

  get root(): Document.Parsed["contents"] {
    return this.#document.contents;
  }

  /** The whole text as plain values. */
  value(): unknown {
    return this.problems.length > 0 ? null : this.#document.toJS();
  }

  /** The line, from 1, of a node or key. */
  lineOf(node: unknown): number {
    return this.#lines.linePos((isNode(node) ? node.range?.[0] : undefined) ?? 0).line;
  }

  /** The line of the value at a path, or of the nearest one above it that exists. */
  lineAt(path: readonly PropertyKey[]): number {
    for (let length = path.length; length > 0; length -= 1) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node)) return this.lineOf(node);
    }
    return 1;
  }
}

/** Reads a file of at most 1 MiB; why it cannot is a problem, not an error. */
export function readYaml(file: string): YamlDocument | ConfigProblem {
  try {
    if (statSync(file).size > MAX_FILE_BYTES) return { path: "file", message: "is larger than 1 MiB", file };
    return new YamlDocument(readFileSync(file, "utf8"), file);
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return { path: "file", message: `cannot be read (${reason})`, file };
  }
}
