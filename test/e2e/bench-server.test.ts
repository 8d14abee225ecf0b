import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const BENCH = fileURLToPath(new URL("../bench/server/main.ts", import.meta.url));
const NODE_ARGUMENTS = ["--conditions=source", "--disable-warning=ExperimentalWarning", BENCH];
const run = promisify(execFile);

test("the bench of the model server downloads from every server there is, uploads, and writes what it found", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "server.json");
  const short = ["--mib", "8", "--clients", "1,4", "--upload-clients", "1,3", "--seconds", "0.3", "--rounds", "1"];

  const { stdout, stderr } = await run(process.execPath, [...NODE_ARGUMENTS, ...short, "--json", file]);
  const result = JSON.parse(await readFile(file, "utf8"));

  expect(stdout).toMatch(/^8 MiB, MiB\/s\n/);
  expect(result).toMatchObject({
    download: [{ clients: 1 }, { clients: 4 }],
    upload: [{ clients: 1 }, { clients: 3 }],
    rssMiB: {
      idle: expect.any(Number),
      peakDownload: expect.any(Number),
      peakUpload: expect.any(Number),
      after: expect.any(Number),
    },
    healthP99Ms: expect.any(Number),
    bytes: 8_388_608,
  });
  for (const { ours, nginx, fastapi, ratio, offload, offloadRatio } of result.download) {
    expect(ours).toBeGreaterThan(0);
    // What is absent was named, and what is there was measured.
    if (result.absent.offload === undefined) expect(offloadRatio).toBeCloseTo(offload / nginx, 9);
    else expect([offload, offloadRatio, stderr.includes(result.absent.offload)]).toEqual([null, null, true]);
    if (result.absent.nginx === undefined) expect(ratio).toBeCloseTo(ours / nginx, 9);
    else expect([nginx, ratio, stderr.includes(result.absent.nginx)]).toEqual([null, null, true]);
    if (result.absent.fastapi === undefined) expect(fastapi).toBeGreaterThan(0);
    else expect([fastapi, stderr.includes(result.absent.fastapi)]).toEqual([null, true]);
  }
  for (const { ours, limit, ratio } of result.upload) {
    expect(ours).toBeGreaterThan(0);
    expect(ratio).toBeCloseTo(ours / limit, 9);
  }
});

test("a bench without downloads has no figures of them", async () => {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "server.json");
  const short = ["--mib", "1", "--clients", "none", "--upload-clients", "1", "--rounds", "1", "--directory", directory];

  await run(process.execPath, [...NODE_ARGUMENTS, ...short, "--json", file]);

  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({
    download: [],
    upload: [{ clients: 1 }],
    rssMiB: { peakDownload: null },
    healthP99Ms: null,
  });
});

test.each([
  ["--mib", "0", "--mib takes whole numbers from 1 to 16384"],
  ["--clients", "1,many", "--clients takes whole numbers from 1 to 256"],
  ["--upload-clients", "65", "--upload-clients takes whole numbers from 1 to 64"],
  ["--seconds", "61", "--seconds takes numbers from 0.1 to 60"],
])("the bench of the model server says what is wrong with %s %s", async (option, value, message) => {
  await expect(run(process.execPath, [...NODE_ARGUMENTS, option, value])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(message),
  });
});
