import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** A TypeScript file of ours. */
export interface SourceFile {
  /** From the repository's root. */
  readonly path: string;
  readonly tree: ts.SourceFile;
}

/** Every source file of packages and services, tests left out, ordered by path. */
export function ownSources(repository: string): readonly SourceFile[] {
  return globSync("{packages,services}/*/src/**/*.ts", { cwd: repository })
    .filter((path) => !path.endsWith(".test.ts"))
    .sort()
    .map((path) => readSource(repository, path));
}

export function readSource(repository: string, path: string): SourceFile {
  const text = readFileSync(join(repository, path), "utf8");
  return { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

/** Every constant declared at a file's top level, with its name and what it is initialised to. */
export function topConstants(tree: ts.SourceFile): readonly (readonly [string, ts.Expression])[] {
  return tree.statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) =>
    declarationList.declarations.flatMap(({ name, initializer }): (readonly [string, ts.Expression])[] => {
      if (!ts.isIdentifier(name) || initializer === undefined) return [];
      return [[name.text, ts.isAsExpression(initializer) ? initializer.expression : initializer]];
    }),
  );
}

/** The text of the doc comment before a node on one line; empty without one. Tags and `{@link …}` braces are left out. */
export function docOf(node: ts.Node, tree: ts.SourceFile): string {
  const ranges = ts.getLeadingCommentRanges(tree.text, node.getFullStart()) ?? [];
  const last = ranges.map(({ pos, end }) => tree.text.slice(pos, end)).findLast((text) => text.startsWith("/**"));
  if (last === undefined) return "";
  const lines = last
    .slice(3, -2)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trim());
  const firstTag = lines.findIndex((line) => line.startsWith("@"));
  const prose = firstTag === -1 ? lines : lines.slice(0, firstTag);
  return prose
    .join(" ")
    .replace(/\{@link (\S+?)\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
}

/** The first sentence of a doc comment's text. */
export function firstSentence(text: string): string {
  return /^.*?[.:](?=\s|$)/.exec(text)?.[0] ?? text;
}
