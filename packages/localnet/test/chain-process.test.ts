import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, MINER, VALIDATOR } from "./chain-fixture.ts";

const MAIN = fileURLToPath(new URL("../src/chain/main.ts", import.meta.url));

let directory: string;
let child: ChildProcessByStdio<Writable, Readable, Readable>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "assay-chain-"));
});
afterEach(async () => {
  child.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

async function start(config: unknown, ...flags: string[]): Promise<void> {
  const file = join(directory, "chain.json");
  await writeFile(file, JSON.stringify(config));
  child = spawn(process.execPath, ["--conditions=source", MAIN, "--config", file, ...flags], {
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function readyAddress(): Promise<string> {
  const [line] = await once(child.stdout, "data");
  const { ready, ws } = JSON.parse(String(line));
  expect(ready).toBe(true);
  return ws;
}

const CONFIG = {
  netuid: 7,
  neurons: [
    { hotkey: VALIDATOR.address, stakeRao: "20000000000000000", permit: true },
    { hotkey: MINER.address, stakeRao: 5 },
  ],
  hyperparameters: { tempo: 20, weightsSetRateLimit: 5, maxSpace: 1_000_000 },
  blockMillis: 12_000,
};

test("the process serves the chain of its configuration file and ends when told to", async () => {
  await start(CONFIG, "--block-millis", "100");
  const { api } = await connect(await readyAddress());
  const read = async (pallet: string, item: string, ...keys: unknown[]) =>
    (await api.query[pallet]?.[item]?.(...keys))?.toString();
  expect(await read("subtensorModule", "totalHotkeyAlpha", VALIDATOR.address, 7)).toBe("20000000000000000");
  expect(await read("commitments", "maxSpace")).toBe("1000000");
  expect(await read("subtensorModule", "tempo", 7)).toBe("20");
  await api.disconnect();
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("the process ends when its parent no longer holds its standard input", async () => {
  await start(CONFIG);
  await readyAddress();
  child.stdin.end();
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("the process names every mistake of its configuration file and starts nothing", async () => {
  await start({ netuid: 0, neurons: [{ hotkey: 5 }], blockMilis: 100 });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain("netuid");
  expect(stderr).toContain("neurons[0].hotkey");
  expect(stderr).toContain("blockMilis");
});
