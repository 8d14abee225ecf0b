import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEMO_HELP } from "@assay/localnet/demo/options";
import type { DemoResult } from "@assay/localnet/demo/run-demo";
import { EXPECTED_REASON, FULL_CAST } from "@assay/localnet/stage/cast";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../../packages/localnet/src/demo/main.ts", import.meta.url));

/** Runs the demo as a user does; resolves with its exit code and everything it printed. */
async function runDemo(args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ["--conditions=source", MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const [code] = await once(child, "close");
  return { code: Number(code), output };
}

describe("three cycles of a local subnet", () => {
  let folder = "";
  let result: DemoResult;
  let output = "";
  let code = -1;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-e2e-demo-"));
    const json = join(folder, "result.json");
    ({ code, output } = await runDemo(["--json", json, "--directory", join(folder, "stage")]));
    result = JSON.parse(await readFile(json, "utf8").catch(() => '{"cycles":[],"ok":false}'));
  }, 400_000);
  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  test("end with exit code 0 and weights on chain equal to those intended", () => {
    expect({ code, ok: result.ok, tail: code === 0 ? "" : output.slice(-4000) }).toEqual({
      code: 0,
      ok: true,
      tail: "",
    });
    expect(result.cycles.map(({ cycle }) => cycle)).toEqual([0, 1, 2]);
    for (const { weights } of result.cycles) {
      expect(weights.onChain).toEqual(weights.intended);
      expect(Math.max(...Object.values(weights.onChain))).toBe(65_535);
    }
  });

  test("every dishonest miner gets nothing, for the right reason, in every cycle", () => {
    const expected = FULL_CAST.filter(({ kind }) => kind !== "honest").map(({ kind }) => [
      kind,
      0,
      EXPECTED_REASON[kind],
    ]);
    for (const { miners, weights } of result.cycles) {
      const dishonest = miners.filter(({ kind }) => kind !== "honest");
      expect(dishonest.map(({ kind, w, reason }) => [kind, w, reason])).toEqual(expected);
      for (const { uid } of dishonest) expect(weights.onChain[uid]).toBeUndefined();
    }
  });

  test("no honest miner fails at a step, and each earns in every cycle", async () => {
    for (const { cycle, miners } of result.cycles) {
      for (const { uid, kind, reason } of miners) {
        if (kind !== "honest") continue;
        // What its journal tells comes with the failure.
        const journal = reason === null ? [] : await failuresOf(join(folder, "stage", "logs"), uid);
        expect({ cycle, uid, reason, journal }).toEqual({ cycle, uid, reason: null, journal: [] });
      }
    }
  });

  test("honest miners of one group are ordered by their strength", () => {
    for (const { cycle, miners } of result.cycles) {
      for (const group of [0, 1, 2, 3]) {
        const honest = miners.filter((miner) => miner.kind === "honest" && miner.group === group);
        const byStrength = [...honest].sort((a, b) => strengthOf(b.uid) - strengthOf(a.uid));
        const byScore = [...honest].sort((a, b) => b.w - a.w);
        expect({ cycle, group, order: byScore.map(({ uid }) => uid) }).toEqual({
          cycle,
          group,
          order: byStrength.map(({ uid }) => uid),
        });
      }
    }
  });

  test("tell the story as it goes, with the published lines", () => {
    for (const line of [
      /Current block: \d+, phase: TRAIN/,
      /Committed hashes this cycle: 15/,
      /Submit phase opened at block \d+/,
      /Evaluating 5\w{4}\.\.\. \| loss_before: \d\.\d{3} \| loss_after: \d\.\d{3} \| w_i: 0\.\d{3}/,
      /Evaluated \d+\/\d+ submissions in \d+\.\d minutes/,
      /Inter-validator merging complete: 1\/1 validators synced/,
      /set_weights\(\) confirmed \| block: \d+ \| tx: 0x/,
    ]) {
      expect(output).toMatch(line);
    }
  });
});

/** What a miner said of steps that failed. */
async function failuresOf(logs: string, uid: number): Promise<readonly string[]> {
  const lines = (await readFile(join(logs, `miner-${uid}.out.log`), "utf8")).split("\n");
  return lines.filter((line) => /"event":"\w+_(failed|retry)"/.test(line));
}

function strengthOf(uid: number): number {
  return FULL_CAST[uid - 1]?.strength ?? 0;
}

describe("the demo's command line", () => {
  test("--help explains every option", async () => {
    expect(await runDemo(["--help"])).toEqual({ code: 0, output: DEMO_HELP });
  });

  test.each([
    [["--cycles", "0"], /--cycles takes a whole number from 1 to 1000, not "0"/],
    [["--speed", "9"], /Unknown option '--speed'/],
  ])("%j is refused with exit code 2 before anything starts", async (args, message) => {
    const { code, output } = await runDemo(args);
    expect(code).toBe(2);
    expect(output).toMatch(message);
  });
});
