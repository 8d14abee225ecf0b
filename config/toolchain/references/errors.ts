import { basename } from "node:path";
import ts from "typescript";
import { code, page, table } from "./markdown.ts";
import { docOf, ownSources, readSource, type SourceFile, textsOf, topConstants } from "./source.ts";

interface CodeTable {
  /** Package or service, as a folder. */
  readonly owner: string;
  readonly path: string;
  readonly codes: readonly { readonly code: string; readonly meaning: string }[];
}

/** Packages that run only on a developer's machine. */
const DEVELOPMENT = /^packages\/(localnet|testing)$/;

/** `errors.md`: every code of every `*ErrorCode` table, and why miners get nothing. */
export function errorReference(repository: string): string {
  const tables = ownSources(repository).flatMap(codeTables);
  const product = tables.filter(({ owner }) => !DEVELOPMENT.test(owner));
  const development = tables.filter(({ owner }) => DEVELOPMENT.test(owner));
  const reasons = textsOf("REJECTION_REASONS", readSource(repository, "packages/core/src/scoring/outcome.ts"));
  return page("Error codes", [
    "A code is stable; the message beside it is for people and may change. What to do about those that operators meet: " +
      "[runbook](../operators/runbook.md).",
    ...product.map(renderTable),
    "## Why a submission earns nothing",
    "Not errors: a miner's fault is a result. The reason stands in the ledger, in the log line and in the metrics. " +
      "Source: [packages/core/src/scoring/outcome.ts](../../../packages/core/src/scoring/outcome.ts).",
    table(
      ["Reason", "Meaning"],
      reasons.map(({ text, comment }) => [code(text), comment]),
    ),
    "## On a developer's machine only",
    ...development.map((each) => renderTable(each).replace(/^## /, "### ")),
  ]);
}

function renderTable({ owner, path, codes }: CodeTable): string {
  const rows = codes.map(({ code: name, meaning }) => [code(name), meaning]);
  const title = `## ${basename(owner)}: ${basename(path, ".ts")}`;
  return [title, `[${path}](../../../${path})`, table(["Code", "Meaning"], rows)].join("\n\n");
}

function codeTables(source: SourceFile): readonly CodeTable[] {
  const { path, tree } = source;
  const owner = path.split("/").slice(0, 2).join("/");
  return topConstants(tree)
    .filter(([name]) => name.endsWith("ErrorCode"))
    .map(([name, value]) => ({ owner, path, codes: codesOf(name, value, source) }))
    .filter(({ codes }) => codes.length > 0);
}

/** Members whose value is a text; the development chain's JSON-RPC numbers are a node's, not ours. */
function codesOf(name: string, value: ts.Expression, { path, tree }: SourceFile): CodeTable["codes"] {
  if (!ts.isObjectLiteralExpression(value)) throw new Error(`${path}: ${name} is not a table`);
  return value.properties.filter(ts.isPropertyAssignment).flatMap((property) => {
    if (!ts.isStringLiteral(property.initializer)) return [];
    const meaning = docOf(property, tree);
    if (meaning === "") throw new Error(`${path}: ${property.initializer.text} has no doc comment`);
    return [{ code: property.initializer.text, meaning }];
  });
}
