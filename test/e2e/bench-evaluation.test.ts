import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const BENCH = fileURLToPath(new URL("../bench/evaluation/main.ts", import.meta.url));
const NODE_ARGUMENTS = ["--conditions=source", "--disable-warning=ExperimentalWarning", BENCH];
const run = promisify(execFile);

test("the bench of the evaluation measures every way, says what it found and writes it as JSON", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "small.json");

  const { stdout } = await run(process.execPath, [
    ...NODE_ARGUMENTS,
    "--size",
    "small",
    "--miners",
    "4",
    "--json",
    file,
  ]);
  const result = JSON.parse(await readFile(file, "utf8"));

  expect(stdout).toMatch(/^small: 3.5 million parameters, 3.0 MiB per submission\n/);
  expect(result).toMatchObject({
    size: "small",
    params: 3_478_912,
    checkpointBytes: 3_148_544,
    perMinerMs: { ours: expect.any(Number), bareForward: expect.any(Number) },
    ratios: { overBareForward: expect.any(Number) },
    rssMiB: { base: expect.any(Number), peak: expect.any(Number), afterN: expect.any(Number) },
    minersPerSecond: { oneProcess: expect.any(Number), twoProcesses: expect.any(Number) },
  });
  // With PyTorch beside it every way gave the same loss; without it the result says why not.
  if (typeof result.torch === "string") expect(result.ratios.referenceOverOurs).toBeNull();
  else expect(result.maxLossDifference).toBeLessThan(1e-5);
});

test("the bench says what is wrong with its arguments", async () => {
  await expect(run(process.execPath, [...NODE_ARGUMENTS, "--size", "huge"])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^--size takes one of small, big, wide, not "huge"\n/),
  });
});
