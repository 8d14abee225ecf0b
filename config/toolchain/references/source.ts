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

/** The texts of a constant list, each with the comment before it. */
export function textsOf(name: string, { path, tree }: SourceFile): readonly CommentedText[] {
  const list = topConstants(tree).find(([constant]) => constant === name)?.[1];
  if (list !== undefined && ts.isArrayLiteralExpression(list)) return commentedTexts(list.elements, list, tree);
  throw new Error(`${path} has no list ${name}`);
}

export interface CommentedText {
  readonly text: string;
  readonly comment: string;
}

function commentedTexts(members: Iterable<ts.Node>, list: ts.Node, tree: ts.SourceFile): readonly CommentedText[] {
  let end = list.getFullStart();
  return [...members].map((member) => {
    const between = tree.text.slice(end, member.getStart(tree));
    end = member.getEnd();
    const text = /^"(.*)"$/.exec(member.getText(tree))?.[1];
    if (text === undefined) throw new Error(`${tree.fileName}: ${member.getText(tree)} is not a text`);
    return { text, comment: lastDocIn(between) };
  });
}

/** The text of the doc comment before a node on one line; empty without one. */
export function docOf(node: ts.Node, tree: ts.SourceFile): string {
  return lastDocIn(tree.text.slice(node.getFullStart(), node.getStart(tree)));
}

/** The last doc comment in a piece of source. Tags and the braces of `{@link …}` are left out. */
function lastDocIn(text: string): string {
  const [last] = [...text.matchAll(/\/\*\*([\s\S]*?)\*\//g)].slice(-1);
  const lines = (last?.[1] ?? "").split("\n").map((line) => line.replace(/^\s*\* ?/, "").trim());
  const firstTag = lines.findIndex((line) => line.startsWith("@"));
  const prose = firstTag === -1 ? lines : lines.slice(0, firstTag);
  return prose
    .join(" ")
    .replace(/\{@link (\S+?)\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
}
