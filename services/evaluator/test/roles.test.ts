import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { NINE_PHASE_45 } from "@assay/core/cycle/phase";
import { expect, test } from "vitest";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { startProcess } from "./service-process.ts";
import { openStage, type Stage } from "./stage.ts";
import { writeCheckpoint } from "./submissions.ts";

useRedis();

const ENTRY = "services/evaluator/src/main.ts";
const CHAIN = "packages/localnet/src/chain/main.ts";
const ENGINE = fileURLToPath(new URL("../../../packages/evaluation/src/stdio/entry.ts", import.meta.url));
const BACKEND = `${process.execPath},--conditions=source,${ENGINE},--device={device}`;

/** Rules and held-out text of a small network, in the stage's folder. */
async function writeNetwork({ folder, network }: Stage): Promise<{ readonly network: string; readonly text: string }> {
  const files = { network: join(folder, "network.yaml"), text: join(folder, "held-out.jsonl") };
  await writeFile(files.network, JSON.stringify({ ...network, schedule: { ...NINE_PHASE_45, train: 2_000 } }));
  const lines = Array.from({ length: 40 }, (_, line) =>
    JSON.stringify({ text: `Line ${line} sees the sea and bees.` }),
  );
  await writeFile(files.text, lines.join("\n"));
  return files;
}

test.each([
  ["our engine", {}, /Placed evaluators \| devices: cpu$/],
  ["another program", { EVALUATION_BACKEND_COMMAND: BACKEND }, /Backend ready \| name: assay engine \| device: cpu/],
])("a worker evaluates with %s, without wallet, chain and ledger and their libraries", async (_, env, ready) => {
  const stage = await openStage({ model: true });
  const queues = await openQueues();
  const files = await writeNetwork(stage);
  const { hotkey } = stage.miner(1);
  const { path, sha256 } = await writeCheckpoint(stage, 1, 7);
  await mkdir(dirname(stage.layout.submission(31, sha256)), { recursive: true });
  await copyFile(path, stage.layout.submission(31, sha256));
  const root = stage.layout.root;
  const worker = startProcess({
    entry: ENTRY,
    args: [
      "--role=worker",
      `--network=${files.network}`,
      `--checkpoint-cache-dir=${root}`,
      `--eval-dataset-path=${files.text}`,
      `--ledger-path=${join(root, "worker-ledger.sqlite")}`,
      "--admin-port=0",
      "--wallet-path=/nonexistent",
    ],
    cwd: stage.folder,
    env: {
      REDIS_URL: queues.url,
      QUEUE_PREFIX: queues.prefix,
      EVALUATION_TOKEN_CACHE_DIR: join(stage.folder, "tokens"),
      ...env,
    },
    forbidden: ["better-sqlite3", "kysely", "@polkadot/api", "@polkadot/keyring"],
  });
  expect(await worker.line(/Found held-out text/)).toMatch(/ path: \S+ \| sha256: [0-9a-f]{64}$/);
  await worker.line(ready);
  await worker.line(/Service started/);
  const queue = queues.queue("evaluations");
  await queue.add("evaluation-31-1", {
    roundId: 31,
    uid: 1,
    hotkey,
    group: 1,
    baseVersion: 0,
    submissionPath: stage.layout.submissionRelative(31, sha256),
    submissionSha256: sha256,
    seed: "5eed",
    deadlineBlock: 69,
  });
  await eventually(async () => {
    const job = await queue.find("evaluation-31-1");
    expect(job?.outcome).toMatchObject({ kind: "scored", uid: 1, lossBefore: expect.any(Number) });
  });
  expect(existsSync(join(root, "worker-ledger.sqlite"))).toBe(false);
  expect(await readdir(join(stage.folder, "tokens"))).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.tokens$/)]);
  expect(await worker.stop()).toBe(0);
});

test("a worker tries once more in a fresh process, then gives up on a submission and measures the next", async () => {
  const stage = await openStage({ model: true });
  const queues = await openQueues();
  const files = await writeNetwork(stage);
  const queue = queues.queue("evaluations");
  const worker = startProcess({
    entry: ENTRY,
    args: [
      "--role=worker",
      `--network=${files.network}`,
      `--checkpoint-cache-dir=${stage.layout.root}`,
      `--eval-dataset-path=${files.text}`,
      "--admin-port=0",
    ],
    cwd: stage.folder,
    env: {
      REDIS_URL: queues.url,
      QUEUE_PREFIX: queues.prefix,
      LOG_LEVEL: "debug",
      EVALUATION_TIMEOUT_SECONDS: "5",
      EVALUATION_TOKEN_CACHE_DIR: "",
    },
  });
  const submit = async (uid: number, keptBytes?: number) => {
    const { path, sha256, bytes } = await writeCheckpoint(stage, 1, uid);
    const target = stage.layout.submission(31, sha256);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, target);
    await truncate(target, keptBytes ?? bytes.length);
    await queue.add(`evaluation-31-${uid}`, {
      roundId: 31,
      uid,
      hotkey: stage.miner(1).hotkey,
      group: 1,
      baseVersion: 0,
      submissionPath: stage.layout.submissionRelative(31, sha256),
      submissionSha256: sha256,
      seed: "5eed",
      deadlineBlock: 69,
    });
  };
  const [, pid] = /pid: (\d+)/.exec(await worker.line(/Child process ready \|.* child: evaluation /)) ?? [];
  await worker.line(/Service started/);

  process.kill(Number(pid), "SIGSTOP");
  await submit(1);
  await worker.line(/\[WARN\] Job failed and will be tried again \|.* attempt: 1 \| attempts: 2 .*CHILD_DEADLINE/);
  await submit(2, 2_000);
  await submit(3);
  await eventually(async () => {
    expect((await queue.find("evaluation-31-1"))?.outcome).toMatchObject({ kind: "scored", uid: 1 });
    expect(await queue.find("evaluation-31-2")).toMatchObject({
      state: "failed",
      failure: expect.stringMatching(/^EVALUATION_SUBMISSION_CHANGED: /),
    });
    expect((await queue.find("evaluation-31-3"))?.outcome).toMatchObject({ kind: "scored", uid: 3 });
  });
  expect(worker.lines.filter((line) => line.includes("EVALUATION_SUBMISSION_CHANGED")).length).toBeGreaterThan(1);
  expect(await worker.stop()).toBe(0);
});

test("a worker does not start on a device that is not there, and says why", async () => {
  const stage = await openStage();
  const queues = await openQueues();
  const files = await writeNetwork(stage);
  const worker = startProcess({
    entry: ENTRY,
    args: ["--role=worker", `--network=${files.network}`, `--eval-dataset-path=${files.text}`, "--admin-port=0"],
    cwd: stage.folder,
    env: { REDIS_URL: queues.url, QUEUE_PREFIX: queues.prefix, EVALUATION_DEVICE: "cuda:900" },
  });
  await worker.line(/\[INFO\] Device available \| device: cpu/);
  await worker.line(/\[INFO\] Device unavailable \| device: cuda:900 \|.* why: \S/);
  await worker.line(/\[ERROR\].*EVALUATION_DEVICE_UNAVAILABLE/);
  await worker.line(/Service stopped/);
});

test("the cycle role follows the chain without held-out text and without ONNX Runtime", async () => {
  const stage = await openStage({ model: true });
  const queues = await openQueues();
  const files = await writeNetwork(stage);
  const chain = startProcess({ entry: CHAIN, args: ["--block-millis=300"], cwd: stage.folder });
  const { ws } = JSON.parse(await chain.line(/"ready":true/)) as { readonly ws: string };
  const cycle = startProcess({
    entry: ENTRY,
    args: [
      "--role=cycle",
      `--chain-endpoint=${ws}`,
      "--netuid=2",
      `--network=${files.network}`,
      `--model-path=${join(stage.folder, "model")}`,
      `--checkpoint-cache-dir=${stage.layout.root}`,
      "--eval-dataset-path=/nonexistent",
      `--ledger-path=${join(stage.folder, "cycle-ledger.sqlite")}`,
      "--admin-port=0",
    ],
    cwd: stage.folder,
    env: { REDIS_URL: queues.url, QUEUE_PREFIX: queues.prefix, HOTKEY_URI: "//Validator//0" },
    forbidden: ["onnxruntime-node"],
  });
  const listening = await cycle.line(/Admin server listening/);
  await cycle.line(/Service started/);
  await cycle.line(/Current block: \d+, phase: (DISTRIBUTE|TRAIN)/);
  await eventually(() => expect(existsSync(stage.layout.chainView)).toBe(true));
  const ready = await fetch(`${/url: (\S+)/.exec(listening)?.[1]}/ready`);
  expect([ready.status, await ready.json()]).toEqual([200, { status: "ok" }]);
  expect(cycle.lines.join("\n")).not.toContain("//Validator//0");
  expect(await cycle.stop()).toBe(0);
});
