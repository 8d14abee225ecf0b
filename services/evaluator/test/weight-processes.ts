import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { loadHotkey } from "@assay/chain/hotkey";
import { Ledger } from "@assay/ledger/ledger";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { onTestFinished, vi } from "vitest";
import type { WeightProcessTask } from "./fixtures/weight-process.ts";
import { saveRound } from "./rounds.ts";
import { NETUID, openLedger } from "./stage.ts";

const SCRIPT = fileURLToPath(new URL("./fixtures/weight-process.ts", import.meta.url));
const MINERS = ["//Miner//0", "//Miner//1"] as const;
const addressOf = async (uri: string) => (await loadHotkey({ uri })).address;

export const TEMPO = 24;
/** Between two blocks at least, so that jobs get on. */
const MILLIS_PER_BLOCK = 100;
const DEADLINE_MILLIS = 55_000;

/** A development chain with a validator and two miners, whose blocks are built by hand. */
export async function startWeightChain(
  commitRevealWeightsEnabled: boolean,
  weightsSetRateLimit = 4,
): Promise<DevChain> {
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: [
      { hotkey: await addressOf("//Validator//0"), stakeRao: 10n ** 12n, permit: true },
      ...(await Promise.all(MINERS.map(async (uri) => ({ hotkey: await addressOf(uri) })))),
    ],
    hyperparameters: { tempo: TEMPO, weightsSetRateLimit, commitRevealWeightsEnabled },
    manual: true,
    poolChecks: true,
  });
  onTestFinished(() => chain.close());
  return chain;
}

/** A validator's folder, in whose ledger a round is closed with these averages of the two miners. */
export async function writeLedger(emas: readonly number[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-weights-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const ledger = await openLedger(folder);
  const { id } = await saveRound({ ledger }, 0);
  const hotkeys = await Promise.all(MINERS.map(addressOf));
  const states = hotkeys.map((hotkey, index) => {
    return { uid: index + 1, hotkey, ema: emas[index] ?? 0, points: 1, lastRound: id };
  });
  await ledger.scores.closeRound(id, { states, rows: [] });
  await ledger.stop();
  return folder;
}

/** A process with the weights of a validator; ended with the test at the latest. */
export interface WeightProcess {
  /** Whether it still runs. */
  readonly isAlive: boolean;
  /** Newest block that it has looked at. */
  readonly block: number;
  /** How its jobs ended, oldest first. */
  readonly outcomes: readonly string[];
}

/** Resolves when it has looked at the chain for the first time. */
export async function startWeightProcess(task: WeightProcessTask): Promise<WeightProcess> {
  const child = spawn(process.execPath, ["--conditions=source", SCRIPT, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => end(child));
  const lines = createInterface({ input: child.stdout });
  const looked = { block: 0 };
  const outcomes: string[] = [];
  lines.on("line", (line) => {
    if (/^\d+$/.test(line)) looked.block = Number(line);
    else outcomes.push(line);
  });
  await Promise.race([once(lines, "line"), once(child, "exit")]);
  return {
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
    get block() {
      return looked.block;
    },
    outcomes,
  };
}

/** Builds blocks until it holds, each when every living process has looked at the one before. */
export async function buildUntil(
  chain: DevChain,
  processes: readonly WeightProcess[],
  check: () => Promise<void> | void,
): Promise<void> {
  const step = async () => {
    if (processes.every(({ isAlive, block }) => !isAlive || block >= chain.head.number)) chain.buildBlock();
    await check();
  };
  await vi.waitFor(step, { timeout: DEADLINE_MILLIS, interval: MILLIS_PER_BLOCK });
}

/** The intents of the closed round, oldest first. */
export async function intentsOf(folder: string): Promise<readonly WeightIntent[]> {
  const ledger = await Ledger.openReadOnly({ path: join(folder, "ledger.sqlite") });
  try {
    return await ledger.intents.ofRound(31);
  } finally {
    await ledger.stop();
  }
}

/** Where each of them stands. */
export async function statesOf(folder: string): Promise<readonly (readonly [tempo: number | null, state: string])[]> {
  return (await intentsOf(folder)).map(({ tempo, state }) => [tempo, state]);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
