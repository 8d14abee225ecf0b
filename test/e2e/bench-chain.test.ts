import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const BENCH = fileURLToPath(new URL("../bench/chain/main.ts", import.meta.url));
const NODE_ARGUMENTS = ["--conditions=source", "--disable-warning=ExperimentalWarning", BENCH];
const KINDS = [
  "connections_dropped",
  "cut",
  "evaluator_killed",
  "finality_stall",
  "fork",
  "missed_blocks",
  "one_way_answers",
  "one_way_requests",
  "pool_dropped",
  "pruned_state",
  "redis_flushed",
  "reset",
  "runtime_upgrade",
  "silent",
  "slow",
];
const run = promisify(execFile);

test("with a fault of every kind in a cycle each permitted window gets exactly one verified set of weights", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "chain.json");

  const { stdout } = await run(process.execPath, [...NODE_ARGUMENTS, "--cycles", "1", "--json", file]);
  const result = JSON.parse(await readFile(file, "utf8"));

  expect(stdout).toMatch(/^1 cycles, \d+ permitted windows: \d+ verified, 0 doubled, 0 missed\n/);
  expect(result).toMatchObject({ cycles: 1, doubled: 0, missed: 0, wrongMetrics: [] });
  expect(result.windows).toBeGreaterThan(0);
  expect(result.verified).toBe(result.windows);
  expect(result.faults.map(({ kind }: { kind: string }) => kind).sort()).toEqual(KINDS);
  for (const { kind, recoverySeconds } of result.faults) {
    expect([kind, recoverySeconds]).toEqual([kind, expect.any(Number)]);
  }
});

test.each([
  ["--cycles", "0", "--cycles takes whole numbers from 1 to 10000"],
  ["--commit-reveal", "plainly", '--commit-reveal takes "timelocked" or "hashed"'],
])("the bench of the chain says what is wrong with %s %s", async (option, value, message) => {
  await expect(run(process.execPath, [...NODE_ARGUMENTS, option, value])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(message),
  });
});
