// Runs every test and ends with the plain line `N passed, N failed, N skipped`.
// usage: npm test [-- PROJECT…]   PROJECT: unit, service, e2e, compose. Default: unit, service and e2e.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DEFAULT_PROJECTS = ["unit", "service", "e2e"];
const asked = process.argv.slice(2);
const projects = asked.length > 0 ? asked : DEFAULT_PROJECTS;

const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
const report = join(folder, "report.json");
const args = ["exec", "vitest", "run", "--config", "config/toolchain/vitest.config.ts", "--root", "."];
const result = spawnSync(
  "pnpm",
  [
    ...args,
    ...projects.flatMap((name) => ["--project", name]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ],
  { stdio: "inherit" },
);

const counts = readCounts();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exit(result.status === 0 && counts.failed === 0 && counts.passed > 0 ? 0 : 1);

function readCounts() {
  try {
    const json = JSON.parse(readFileSync(report, "utf8"));
    // A file that could not be loaded has failed without a failed test of its own.
    const brokenFiles = json.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.length === 0,
    );
    return {
      passed: json.numPassedTests,
      failed: json.numFailedTests + brokenFiles.length,
      skipped: json.numPendingTests + json.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
