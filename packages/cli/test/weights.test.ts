import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assayIn, temporaryFolder } from "./command-line.ts";
import { closeRound, planIntent, storeWeights, type ValidatorStage, validatorStage } from "./validator-stage.ts";

const SUM = 65_535 + 32_768;

async function weights({ env }: ValidatorStage, ...args: readonly string[]) {
  const { exitCode, out } = await assayIn(env, "weights", ...args, "--json");
  return { exitCode, report: JSON.parse(out) };
}

describe("show", () => {
  test("says what the chain holds", async () => {
    const stage = await validatorStage();
    storeWeights(stage, [
      [1, 65_535],
      [2, 32_768],
    ]);
    stage.chain.buildBlock();

    const { exitCode, report } = await weights(stage, "show");
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({
      netuid: 2,
      uid: 0,
      block: 2,
      weights: [
        { uid: 1, weight: 65_535, share: 65_535 / SUM },
        { uid: 2, weight: 32_768, share: 32_768 / SUM },
      ],
    });
    const { out } = await assayIn(stage.env, "weights", "show");
    expect(out).toBe(
      "uid 0 on subnet 2 at block 2: 2 weights, never updated\n  uid  weight  share\n  1    65535   66.67 %\n  2    32768   33.33 %\n",
    );
  });

  test("is no when there are none, or no neuron", async () => {
    const stage = await validatorStage();
    expect((await weights(stage, "show")).exitCode).toBe(1);
    expect(await weights({ ...stage, env: { ...stage.env, HOTKEY_URI: "//Stranger" } }, "show")).toMatchObject({
      exitCode: 1,
      report: { uid: null, weights: [] },
    });
  });
});

describe("plan", () => {
  test("gives what the scores give, and who is left out, while the validator has its ledger open", async () => {
    const stage = await validatorStage();
    await closeRound(stage);

    expect(await weights(stage, "plan")).toEqual({
      exitCode: 0,
      report: {
        netuid: 2,
        hotkey: stage.hotkeys[0],
        uid: 0,
        block: 1,
        mode: "plain",
        versionKey: "0",
        roundId: 31,
        weights: [
          { uid: 1, weight: 65_535, share: 65_535 / SUM },
          { uid: 2, weight: 32_768, share: 32_768 / SUM },
        ],
        left: [{ uid: 3, hotkey: stage.hotkeys[0], ema: 0.4, reason: "deregistered" }],
        obstacles: [],
      },
    });
    await stage.ledger.events.append({ kind: "still_writing", block: 1, fields: {} });
  });

  test("is no before the first round", async () => {
    const stage = await validatorStage();
    expect(await weights(stage, "plan")).toMatchObject({ exitCode: 1, report: { roundId: null, weights: [] } });
  });

  test("names what the chain would refuse, by the code of the refusal", async () => {
    const stage = await validatorStage({ permit: false });
    await closeRound(stage);
    stage.chain.writeStorage("SubtensorModule", "LastUpdate", [2], [1, 0, 0, 0]);
    stage.chain.writeStorage("SubtensorModule", "MinAllowedWeights", [2], 3);
    stage.chain.writeStorage("SubtensorModule", "MaxWeightsLimit", [2], 40_000);
    stage.chain.buildUntil(11);

    const { exitCode, report } = await weights(stage, "plan");
    expect(exitCode).toBe(1);
    expect(report.obstacles).toMatchObject([
      { code: "CHAIN_NO_PERMIT" },
      { code: "CHAIN_RATE_LIMITED", fields: { lastUpdate: 1, until: 101, blocks: 90 } },
      { code: "CHAIN_WEIGHTS_INVALID", fields: { weights: 2, atLeast: 3 } },
      { code: "CHAIN_WEIGHTS_INVALID", fields: { uid: 1 } },
    ]);
  });
});

describe("diff", () => {
  test("is yes when the chain holds what was meant", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await planIntent(stage);
    storeWeights(stage, [
      [1, 65_535],
      [2, 32_768],
    ]);
    stage.chain.buildBlock();
    expect(await weights(stage, "diff")).toMatchObject({ exitCode: 0, report: { equal: true } });
  });

  test("shows each uid that differs", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await planIntent(stage);
    storeWeights(stage, [
      [1, 65_535],
      [3, 7],
    ]);
    stage.chain.buildBlock();

    const { exitCode, report } = await weights(stage, "diff");
    expect(exitCode).toBe(1);
    expect(report).toMatchObject({
      intent: { id: "weights-2-31", roundId: 31, state: "planned" },
      equal: false,
      differences: [
        { uid: 1, intended: 65_535, onChain: 65_535 },
        { uid: 2, intended: 32_768, onChain: 0 },
        { uid: 3, intended: 0, onChain: 7 },
      ],
    });
  });

  test("is no when nothing was ever meant", async () => {
    const stage = await validatorStage();
    expect(await weights(stage, "diff")).toMatchObject({ exitCode: 1, report: { intent: null, equal: false } });
  });
});

describe("why", () => {
  test("is yes after verified weights, also while the rate limit runs", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await stage.ledger.intents.transition(await planIntent(stage), "verified", { block: 41, extrinsicHash: "0xab" });
    stage.chain.writeStorage("SubtensorModule", "LastUpdate", [2], [41, 0, 0, 0]);
    stage.chain.buildUntil(45);

    const { exitCode, report } = await weights(stage, "why");
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({
      verified: true,
      intent: { state: "verified", block: 41 },
      obstacles: [{ code: "CHAIN_RATE_LIMITED" }],
    });
  });

  test("tells why they are not there, from what the validator recorded", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await stage.ledger.intents.transition(await planIntent(stage), "failed", { error: "expired" });
    for (const kind of ["started", "weights_not_set"]) {
      await stage.ledger.events.append({ kind, block: 86, fields: { roundId: 31, reason: "expired" } });
    }

    const { exitCode, report } = await weights(stage, "why");
    expect([exitCode, report.verified, report.intent.error]).toEqual([1, false, "expired"]);
    expect(report.events).toMatchObject([{ kind: "weights_not_set", block: 86, fields: { reason: "expired" } }]);
    const { out } = await assayIn(stage.env, "weights", "why");
    expect(out).toContain(
      "Weights after round 31 are failed: planned at block 40, deadline block 85, reason expired\n",
    );
    expect(out).toMatch(/ {2}\d{4}-.* \| weights_not_set \| block: 86 \| roundId: 31 \| reason: expired\n/);
  });

  test("needs no wallet for what is recorded", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await planIntent(stage);
    const { HOTKEY_URI: _, ...env } = stage.env;
    const { exitCode, report } = await weights({ ...stage, env: { ...env, WALLET_PATH: "/nowhere" } }, "why");
    expect(exitCode).toBe(1);
    expect(report).toMatchObject({ intent: { state: "planned" }, standing: null });
    expect(report.obstacles).toMatchObject([{ code: "CHAIN_HOTKEY_MISSING" }]);
  });
});

describe("set", () => {
  test("is refused without --dry-run", async () => {
    const stage = await validatorStage();
    expect(await weights(stage, "set")).toMatchObject({
      exitCode: 1,
      report: { error: { code: "CLI_DOES_NOT_SIGN" } },
    });
  });

  test("with --dry-run says what would change, and changes nothing", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    storeWeights(stage, [[1, 65_535]]);
    stage.chain.buildBlock();

    const { exitCode, report } = await weights(stage, "set", "--dry-run");
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({
      sent: false,
      differences: [
        { uid: 1, intended: 65_535, onChain: 65_535 },
        { uid: 2, intended: 32_768, onChain: 0 },
      ],
    });
    stage.chain.buildBlock();
    expect(stage.chain.readStorage("SubtensorModule", "Weights", [2, 0])).toEqual([[1, 65_535]]);
    expect(await stage.ledger.intents.latest()).toBeNull();
    const { out } = await assayIn(stage.env, "weights", "set", "--dry-run");
    expect(out).toContain("1 of 2 would change. Nothing was sent.\n");
  });
});

test("a ledger that is not there, or is none, has a code", async () => {
  const stage = await validatorStage();
  const folder = await temporaryFolder();
  const file = join(folder, "not-a-ledger");
  await writeFile(file, "not a database, and long enough to be looked at ".repeat(50));
  expect(await weights({ ...stage, env: { ...stage.env, LEDGER_PATH: join(folder, "none") } }, "why")).toMatchObject({
    exitCode: 1,
    report: { error: { code: "LEDGER_CANNOT_OPEN" } },
  });
  expect(await weights({ ...stage, env: { ...stage.env, LEDGER_PATH: file } }, "plan")).toMatchObject({
    exitCode: 1,
    report: { error: { code: "LEDGER_CORRUPT" } },
  });
});
