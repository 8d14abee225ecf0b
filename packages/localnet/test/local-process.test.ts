import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LocalProcess } from "@assay/localnet/stage/local-process";
import { expect, onTestFinished, test } from "vitest";

const ABANDONED = fileURLToPath(new URL("fixtures/abandoned.ts", import.meta.url));
const ENDLESS = fileURLToPath(new URL("fixtures/endless.ts", import.meta.url));

async function logFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-local-process-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "log");
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a process ends when whoever started it is killed", async () => {
  const starter = spawn(process.execPath, ["--conditions=source", ABANDONED, await logFile()], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void starter.kill("SIGKILL"));
  const [line] = (await once(starter.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  expect(isAlive(pid)).toBe(true);

  starter.kill("SIGKILL");

  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});

test("a process that was stopped ended by the signal", async () => {
  const runs = Promise.withResolvers<void>();
  const child = new LocalProcess({
    name: "endless",
    module: ENDLESS,
    args: [],
    logFile: await logFile(),
    onLine: () => runs.resolve(),
  });
  await child.waitFor(runs.promise, 30_000, "start");

  expect(await child.stop()).toBe(128);
});
