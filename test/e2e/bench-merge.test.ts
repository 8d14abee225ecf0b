import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { expertCount, groupTensors } from "../bench/merge/size/group.ts";
import { ticksOf } from "../bench/merge/size/processor-time.ts";

const BENCH = fileURLToPath(new URL("../bench/merge/main.ts", import.meta.url));
const NODE_ARGUMENTS = ["--conditions=source", "--disable-warning=ExperimentalWarning", BENCH];
const run = promisify(execFile);

test("the bench of the merge has three validators merge, copies as much, and writes what it found", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "merge.json");
  const short = ["--only", "size", "--mib", "12", "--rounds", "2", "--directory", directory];

  const { stdout } = await run(process.execPath, [...NODE_ARGUMENTS, ...short, "--json", file]);
  const { size } = JSON.parse(await readFile(file, "utf8"));

  expect(stdout).toMatch(/^12 MiB by 3 validators, \d+ MiB fetched by each; medians in s\n/);
  expect(size).toMatchObject({ groupBytes: 12_582_912, members: 3, rounds: 2 });
  // Two thirds of the group twice, what is made again, and tables.
  expect(size.merge.bytesPerMember).toBeGreaterThan(2 * 8_388_608);
  const times = [size.merge, size.copy, size.copyWithHash];
  for (const { seconds, processorSeconds } of times) expect(Math.min(seconds, processorSeconds)).toBeGreaterThan(0);
  for (const phase of ["gradientsBefore", "reduce", "gather", "step", "version"]) {
    expect([phase, size.merge.phases[phase] > 0]).toEqual([phase, true]);
  }
  expect(Math.min(size.ratio, size.first.mergeSeconds, size.first.copySeconds)).toBeGreaterThan(0);
  const { evaluator, server, method } = size.merge.memory;
  expect(["VmHWM", "VmRSS"]).toContain(method);
  expect([evaluator.length, server.length]).toEqual([3, 3]);
  for (const { idle } of [...evaluator, ...server]) expect(idle).toBeGreaterThan(30);
  expect(await readdir(directory)).toEqual(["merge.json"]);
});

test("the bench of the merge times its loops in plain memory and in vectors", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "merge.json");
  const short = ["--only", "loops", "--rounds", "1"];
  const { stdout } = await run(process.execPath, [...NODE_ARGUMENTS, ...short, "--json", file]);
  const { loops, size } = JSON.parse(await readFile(file, "utf8"));
  expect(size).toBeNull();
  expect(loops.loops.map(({ loop }: { loop: string }) => loop)).toEqual([
    "outer step",
    "average of three",
    "sum of squares",
  ]);
  for (const { loop, plain, vectors, ratio } of loops.loops) {
    expect([loop, Math.min(plain, vectors) > 0]).toEqual([loop, true]);
    expect(ratio).toBeCloseTo(plain / vectors);
    expect(stdout).toContain(loop);
  }
});

test.each([
  ["--mib", "0", "--mib takes whole numbers from 1 to 16384"],
  ["--rounds", "1.5", "--rounds takes whole numbers from 1 to 20"],
  ["--timeout", "soon", "--timeout takes whole numbers from 1 to 3600"],
  ["--only", "speed", '--only takes one of cycles, loops, size, not "speed"'],
  ["--troubles", "rain", "--troubles takes none, all, or of slow, wrong_hash"],
])("the bench of the merge says what is wrong with %s %s", async (option, value, message) => {
  await expect(run(process.execPath, [...NODE_ARGUMENTS, option, value])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(message),
  });
});

test.each([
  [1, 1, 43],
  [48, 1, 2048],
  [1024, 21, 2081],
])("a group of %i MiB has %i experts with three tensors of %i rows", (mib, experts, rows) => {
  const tensors = groupTensors(mib * 2 ** 20);
  expect([expertCount(mib * 2 ** 20), tensors.length]).toEqual([experts, 3 * experts]);
  expect(tensors[0]).toEqual({
    name: "model.layers.0.mlp.experts.0.gate_proj.weight",
    dtype: "F32",
    shape: [rows, 2048],
  });
});

test("a process's ticks are read whatever its name is", () => {
  expect(ticksOf("12 (a) b (c)) S 1 2 3 0 -1 4 5 6 7 8 250 50 0 0 20 0")).toBe(300);
});
