// Runs every test and ends with the plain line `N passed, N failed, N skipped`.
// usage: npm test [-- PROJECT…]   PROJECT: unit, service, sim, e2e, compose. Default: all but compose.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// One after the other: a subnet with fast blocks must not share the machine with a hundred other tests.
const STAGES = [["unit", "service", "sim"], ["e2e"], ["compose"]];
const DEFAULT_PROJECTS = ["unit", "service", "sim", "e2e"];

const asked = process.argv.slice(2).filter((arg) => arg !== "--");
const unknown = asked.filter((name) => !STAGES.flat().includes(name));
if (unknown.length > 0) {
  process.stderr.write(`No such project: ${unknown.join(", ")}. There are ${STAGES.flat().join(", ")}.\n`);
  process.exit(2);
}
const projects = asked.length > 0 ? asked : DEFAULT_PROJECTS;
const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
const totals = { passed: 0, failed: 0, skipped: 0 };

for (const stage of STAGES) {
  const names = stage.filter((name) => projects.includes(name));
  if (names.length > 0) runStage(names);
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(totals.failed === 0 && totals.passed + totals.skipped > 0 ? 0 : 1);

function runStage(names) {
  const report = join(folder, `${names[0]}.json`);
  const args = ["exec", "vitest", "run", "--config", "config/toolchain/vitest.config.ts", "--root", "."];
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const selected = names.flatMap((name) => ["--project", name]);
  const { status } = spawnSync("pnpm", [...args, ...selected, ...reporters], { stdio: "inherit" });
  const counts = readCounts(report);
  totals.passed += counts.passed;
  totals.skipped += counts.skipped;
  // An error outside of any test (an unhandled rejection) fails the run without a failed test.
  totals.failed += status === 0 ? counts.failed : Math.max(1, counts.failed);
}

function readCounts(report) {
  try {
    const json = JSON.parse(readFileSync(report, "utf8"));
    // A file that could not be loaded has failed without a failed test of its own.
    const broken = json.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
    return {
      passed: json.numPassedTests,
      failed: json.numFailedTests + broken.length,
      skipped: json.numPendingTests + json.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
