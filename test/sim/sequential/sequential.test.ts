import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { kendallTau, leaders, overlap } from "./agreement.ts";
import { simulate } from "./simulate.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const rules = { batchSequences: 8, stageBatches: 5, keep: 3, errorLevel: 0.05 };
const simulation = { groups: 4, rounds: 10, sequences: 400, seed: 7, rules };

describe("measuring in stages", () => {
  test.each([
    [16, 0.05],
    [64, 0.4],
    [256, 0.6],
  ])("of %i miners saves at least this share of the batches: %d, and keeps the order", (miners, saved) => {
    const report = simulate({ ...simulation, miners });
    expect(report.batchesSaved).toBeGreaterThan(saved);
    expect(report.batchesSaved).toBeLessThan(0.9);
    expect(report.stagesToFixed.tau).toBeGreaterThan(0.95);
    expect(report.stagesToFixed.leaders).toBeGreaterThan(0.98);
    expect(report.stagesToFixed.best).toBeGreaterThan(0.97);
    expect(report.wrongStops.byTruth).toBeLessThanOrEqual(0.05);
  });

  test("finds a group's first more often than fixed batches of the same cost", () => {
    const report = simulate({ ...simulation, miners: 256, rounds: 20 });
    expect(report.stagesToTruth.leaders).toBeGreaterThan(report.equalCostToTruth.leaders);
    expect(report.fixedToTruth.leaders).toBeGreaterThan(report.equalCostToTruth.leaders);
  });

  test("is the same twice, and nothing is saved where a group has no more than are kept", () => {
    expect(simulate({ ...simulation, miners: 64 })).toEqual(simulate({ ...simulation, miners: 64 }));
    expect(simulate({ ...simulation, miners: 12 })).toMatchObject({ batchesSaved: 0, stagesToFixed: { tau: 1 } });
  });
});

describe("agreement", () => {
  test("of orders is tau-b: 1 alike, -1 turned round, 2 of 3 pairs and 1 of 3 against is 1/3", () => {
    expect(kendallTau([1, 2, 3], [10, 20, 30])).toBe(1);
    expect(kendallTau([1, 2, 3], [3, 2, 1])).toBe(-1);
    expect(kendallTau([1, 2, 3], [1, 3, 2])).toBeCloseTo(1 / 3, 12);
  });

  test("does not count pairs that are equal in a column: 5 of the pairs of 1 2 2 3, all alike, over the root of 5 · 6", () => {
    expect(kendallTau([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(5 / Math.sqrt(30), 12);
  });

  test("of leaders is a share of those above 0", () => {
    const scores = new Map([4, 0, 9, 4].map((score, uid) => [uid, score]));
    expect(leaders(scores, 2)).toEqual([2, 0]);
    expect(leaders(scores, 9)).toEqual([2, 0, 3]);
    expect(overlap([2, 0], [0, 3])).toBe(0.5);
    expect(overlap([], [1])).toBe(1);
  });
});

describe("the command", () => {
  test("prints a table and writes what it printed", () => {
    const folder = mkdtempSync(join(tmpdir(), "assay-sim-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "sim.json");
    const { status, stdout } = run("--rounds", "2", "--miners", "16", "--keep", "1", "--json", file);
    expect(status).toBe(0);
    expect(stdout.split("\n")).toHaveLength(4);
    const { reports, ...asked } = JSON.parse(readFileSync(file, "utf8"));
    expect(asked).toMatchObject({ rounds: 2, miners: [16], keep: [1], groups: 4, stageBatches: 5, errorLevel: 0.05 });
    expect(reports).toMatchObject([{ miners: 16, keep: 1 }]);
    expect(stdout).toContain(`| 16 | 1 | ${(100 * reports[0].batchesSaved).toFixed(1)} % |`);
  });

  test("says what it takes, and what it does not", () => {
    expect(run("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("npm run sim:sequential") });
    expect(run("--rounds", "none")).toMatchObject({ status: 2, stderr: expect.stringContaining("--rounds takes") });
    expect(run("--miner", "16").status).toBe(2);
  });
});

function run(...args: readonly string[]) {
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
  const file = "test/sim/sequential/main.ts";
  return spawnSync(process.execPath, [...flags, file, ...args], { cwd: root, encoding: "utf8" });
}
