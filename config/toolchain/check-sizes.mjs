// Long files and functions, which grow one line at a time. Fails on a file over 500 lines or a function over 45, warns
// on a file over 300. Lines are counted as they stand, signature, comments and blank lines included; a named function
// inside another (a factory's parts) counts on its own and not for the one around it.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const MAX_FILE_LINES = 500;
const LONG_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 45;

/** Lists by nature: one entry per key, metric or part. */
const EXEMPT = [/^services\/[^/]+\/src\/(config|metrics|compose)\.ts$/];
const TEST = /\.test\.ts$|^(packages|services)\/[^/]+\/test\/|^test\/|^packages\/testing\/src\/contracts\//;
const GENERATED = /(^|\/)(node_modules|dist|generated|golden)\//;

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = globSync(["{packages,services}/**/*.ts", "config/toolchain/*.mjs"], {
  cwd: root,
  exclude: (path) => GENERATED.test(`${path}/`),
}).filter((file) => !TEST.test(file) && !EXEMPT.some((pattern) => pattern.test(file)));

const excesses = [];
const warnings = [];
for (const file of files.sort()) {
  const text = readFileSync(`${root}/${file}`, "utf8");
  const lines = text.trimEnd().split("\n").length;
  if (lines > MAX_FILE_LINES) excesses.push(`${file}: ${lines} lines (at most ${MAX_FILE_LINES})`);
  else if (lines > LONG_FILE_LINES) warnings.push(`${file}: ${lines} lines (better at most ${LONG_FILE_LINES})`);
  collectLongFunctions(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true), excesses);
}

for (const warning of warnings) process.stdout.write(`warning ${warning}\n`);
for (const excess of excesses) process.stderr.write(`too long ${excess}\n`);
process.stdout.write(`${files.length} files, ${excesses.length} too long, ${warnings.length} long\n`);
process.exit(excesses.length === 0 && files.length > 0 ? 0 : 1);

function collectLongFunctions(source, found) {
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body) {
      const lines =
        linesOf(node, source) - namedInside(node.body).reduce((sum, each) => sum + linesOf(each, source), 0);
      if (lines > MAX_FUNCTION_LINES) {
        const first = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push(`${source.fileName}:${first} ${nameOf(node)}: ${lines} lines (at most ${MAX_FUNCTION_LINES})`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

function linesOf(node, source) {
  const lineAt = (position) => source.getLineAndCharacterOfPosition(position).line;
  return lineAt(node.getEnd()) - lineAt(node.getStart()) + 1;
}

/** The outermost named functions in a body. */
function namedInside(body) {
  const named = [];
  const visit = (node) => {
    if (ts.isFunctionDeclaration(node) || (ts.isFunctionExpression(node) && node.name)) named.push(node);
    else ts.forEachChild(node, visit);
  };
  ts.forEachChild(body, visit);
  return named;
}

function nameOf(node) {
  if (ts.isConstructorDeclaration(node)) return "constructor";
  const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
  return named ? named.getText() : "(anonymous function)";
}
