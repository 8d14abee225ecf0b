// Checks the import rules of .dependency-cruiser.cjs, and that they were applied to something: with a compiler that it
// does not know, dependency-cruiser reads no module and reports no violation.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cruiser = "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs";
const roots = ["packages", "services", "test"];

const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [cruiser, "--config", ".dependency-cruiser.cjs", "--output-type", "json", ...roots],
  { cwd: root, encoding: "utf8", maxBuffer: 1 << 30 },
);
if (!stdout.startsWith("{")) {
  process.stderr.write(`dependency-cruiser gave no result (exit ${status}): ${stderr}\n`);
  process.exit(1);
}

const { modules, summary } = JSON.parse(stdout);
const problems = [...unreadProblems(modules), ...summary.violations.map(describeViolation)];
for (const problem of problems) process.stderr.write(`${problem}\n`);
const dependencies = modules.reduce((count, module) => count + module.dependencies.length, 0);
process.stdout.write(`${ownModules(modules).length} modules, ${dependencies} imports, ${problems.length} problems\n`);
process.exit(problems.length === 0 ? 0 : 1);

/** Every folder with sources must have been read, and its imports with it. */
function unreadProblems(all) {
  const own = ownModules(all);
  if (own.length === 0) return ["No module was read, so nothing was checked"];
  if (own.every(({ dependencies }) => dependencies.length === 0)) return ["No import was read, so nothing was checked"];
  const read = new Set(own.map(({ source }) => source));
  return globSync("{packages,services}/*/src/**/*.ts", { cwd: root })
    .filter((file) => !file.includes("node_modules") && !read.has(file))
    .map((file) => `${file} was not read`);
}

function ownModules(all) {
  return all.filter(({ source }) => roots.some((each) => source.startsWith(`${each}/`)));
}

function describeViolation({ rule, from, to, cycle }) {
  const path = cycle ? [from, ...cycle.map(({ name }) => name)].join(" → ") : `${from} → ${to}`;
  return `${rule.name}: ${path}`;
}
