import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readWeightStop } from "@assay/checkpoint/weight-stop";
import { describe, expect, test } from "vitest";
import { assayIn, temporaryFolder } from "./command-line.ts";
import {
  closeRound,
  planIntent,
  STRANGER,
  storeWeights,
  type ValidatorStage,
  validatorStage,
} from "./validator-stage.ts";

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
      window: { tempo: 0, firstBlock: 0, lastBlock: 359, setAt: null, opensAt: 0 },
      stop: null,
    });
    const { out } = await assayIn(stage.env, "weights", "show");
    expect(out).toBe(
      "uid 0 on subnet 2 at block 2: 2 weights, never updated\n  uid  weight  share\n  1    65535   66.67 %\n  2    32768   33.33 %\nTempo 0, blocks 0 to 359: weights can be set from block 0 on\n",
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
        origin: "scores",
        weights: [
          { uid: 1, weight: 65_535, share: 65_535 / SUM },
          { uid: 2, weight: 32_768, share: 32_768 / SUM },
        ],
        burn: null,
        capped: [],
        left: [{ uid: 3, hotkey: STRANGER, value: 0.4, reason: "deregistered" }],
        none: null,
        obstacles: [],
      },
    });
    await stage.ledger.events.append({ kind: "still_writing", block: 1, fields: {} });
  });

  test("is no before the first round", async () => {
    const stage = await validatorStage();
    expect(await weights(stage, "plan")).toMatchObject({
      exitCode: 1,
      report: { roundId: null, origin: null, weights: [] },
    });
  });

  test("names what the chain would refuse, by the codes under which the validator notes it", async () => {
    const stage = await validatorStage({ permit: false });
    await closeRound(stage);
    stage.chain.writeStorage("SubtensorModule", "LastUpdate", [2], [1, 0, 0, 0]);
    stage.chain.buildUntil(11);

    const { exitCode, report } = await weights(stage, "plan");
    expect(exitCode).toBe(1);
    expect(report.obstacles).toMatchObject([
      { code: "rate_limited", fields: { last_update: 1, until: 101, blocks: 89 } },
      { code: "no_permit", message: "The hotkey has no validator permit" },
    ]);
  });

  test("keeps to the subnet's largest share, and says who was cut", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    stage.chain.writeStorage("SubtensorModule", "MaxWeightsLimit", [2], 39_321);
    stage.chain.buildBlock();
    expect(await weights(stage, "plan")).toMatchObject({
      exitCode: 0,
      report: { weights: [{ share: 0.6 }, { share: 0.4 }], capped: [1], obstacles: [] },
    });
    expect((await assayIn(stage.env, "weights", "plan")).out).toContain("Cut to the subnet's largest share: uid 1\n");
  });

  test("is no where the subnet takes only longer vectors, which are not made up", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    stage.chain.writeStorage("SubtensorModule", "MinAllowedWeights", [2], 3);
    stage.chain.buildBlock();
    expect(await weights(stage, "plan")).toMatchObject({
      exitCode: 1,
      report: { origin: null, weights: [], none: { reason: "too_few_weights", fields: { weights: 2, atLeast: 3 } } },
    });
    const { out } = await assayIn(stage.env, "weights", "plan");
    expect(out).toMatch(/^Nothing to set after round 31: too_few_weights, weights 2, atLeast 3\n/);
  });

  test("burns what the network's file says, at the owner's slot, and the dry run says the same", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    stage.chain.writeStorage("SubtensorModule", "SubnetOwnerHotkey", [2], stage.hotkeys[3]);
    stage.chain.buildBlock();
    const NETWORK = join(await temporaryFolder(), "burning.yaml");
    const finney = await readFile(new URL("../../../config/networks/finney.yaml", import.meta.url), "utf8");
    await writeFile(NETWORK, finney.replace("burnShare: 0", "burnShare: 0.25"));
    const env = { ...stage.env, NETWORK };

    const plan = await weights({ ...stage, env }, "plan");
    expect(plan).toMatchObject({
      exitCode: 0,
      report: {
        origin: "scores",
        weights: [
          { uid: 1, weight: 65_535 },
          { uid: 2, weight: 32_768 },
          { uid: 3, weight: 32_768 },
        ],
        burn: { uid: 3, share: 32_768 / 131_071 },
      },
    });
    const dryRun = await weights({ ...stage, env }, "set", "--dry-run");
    expect(dryRun.report).toMatchObject({ sent: false, origin: "scores", burn: plan.report.burn });
    const { out } = await assayIn(env, "weights", "set", "--dry-run");
    expect(out).toMatch(/^Weights after round 31 by scores, sent plain, with version key 0:\n/);
    expect(out).toContain("Burned: 25.00 %, by uid 3 of the subnet's owner\n");
    expect(out).toContain(STRANGER);
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
      intent: { id: "2-0-0", roundId: 31, state: "planned" },
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
      obstacles: [{ code: "rate_limited" }],
      window: { tempo: 0, setAt: 41 },
    });
    const { out } = await assayIn(stage.env, "weights", "why");
    expect(out).toContain("Tempo 0, blocks 0 to 359: weights were set at block 41\n");
  });

  test("tells why they are not there, from what the validator recorded", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await stage.ledger.intents.transition(await planIntent(stage), "failed", { reason: "expired" });
    for (const kind of ["started", "weights_not_set"]) {
      await stage.ledger.events.append({ kind, block: 86, fields: { roundId: 31, reason: "expired" } });
    }

    const { exitCode, report } = await weights(stage, "why");
    expect([exitCode, report.verified, report.intent.reason]).toEqual([1, false, "expired"]);
    expect(report.events).toMatchObject([{ kind: "weights_not_set", block: 86, fields: { reason: "expired" } }]);
    const { out } = await assayIn(stage.env, "weights", "why");
    expect(out).toContain(
      "Weights after round 31 for tempo 0 are failed: planned at block 40 from scores, deadline block 85, reason expired\n",
    );
    expect(out).toMatch(/ {2}\d{4}-.* \| planned \| block: 40\n {2}\d{4}-.* \| failed \| reason: expired\n/);
    expect(out).toMatch(/ {2}\d{4}-.* \| weights_not_set \| block: 86 \| roundId: 31 \| reason: expired\n/);
  });

  test("is yes while the weights of a new window are on their way, and no while they wait", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    await stage.ledger.intents.transition(await planIntent(stage), "verified", { block: 41, extrinsicHash: "0xab" });
    const id = await planIntent(stage, 1);
    expect(await weights(stage, "why")).toMatchObject({
      exitCode: 0,
      report: { verified: true, intent: { id, state: "planned" }, steps: [{ state: "planned" }] },
    });
    await stage.ledger.intents.wait(id, "no_permit");
    expect(await weights(stage, "why")).toMatchObject({ exitCode: 1, report: { intent: { reason: "no_permit" } } });
  });

  test("gives the reason for which nothing is planned, and not that nothing is too little", async () => {
    const stage = await validatorStage({ permit: false });
    stage.chain.writeStorage("SubtensorModule", "MinAllowedWeights", [2], 3);
    stage.chain.buildBlock();
    const { exitCode, report } = await weights(stage, "why");
    expect([exitCode, report.none]).toEqual([1, { reason: "no_positive_score", fields: {} }]);
    expect(report.obstacles).toMatchObject([{ code: "no_permit" }]);
    const { out } = await assayIn(stage.env, "weights", "why");
    expect(out).toContain("Nothing to set now: no_positive_score\n");
    expect(out).not.toContain("too_few_weights");
  });

  test("names a subnet that does not exist by the validator's code", async () => {
    const stage = await validatorStage();
    const { exitCode, report } = await weights({ ...stage, env: { ...stage.env, NETUID: "77" } }, "why");
    expect([exitCode, report.obstacles]).toMatchObject([1, [{ code: "subnet_unknown" }]]);
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

  test("with --dry-run says and notes what would change, and changes nothing on chain", async () => {
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
    expect(await stage.ledger.intents.latestDryRun()).toMatchObject({
      id: report.intent,
      state: "dry_run",
      tempo: 0,
      uids: [1, 2],
      hotkeys: stage.hotkeys.slice(1, 3),
    });
    expect(await stage.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_dry_run", block: 2, fields: { roundId: 31, tempo: 0, weights: 2, changes: 1 } },
    ]);
    expect(await weights(stage, "why")).toMatchObject({ report: { intent: null, dryRun: { id: report.intent } } });
    const { out } = await assayIn(stage.env, "weights", "set", "--dry-run");
    expect(out).toContain("1 of 2 would change. Nothing was sent.\n");
  });
});

describe("stop and resume", () => {
  test("are a file that the validator reads, and shown with its reason", async () => {
    const stage = await validatorStage();
    await closeRound(stage);
    const { exitCode, report } = await weights(stage, "stop", "--reason", "moving hosts");
    expect([exitCode, report.stop.reason]).toEqual([0, "moving hosts"]);
    expect(await readWeightStop(stage.layout)).toEqual(report.stop);
    for (const command of ["why", "plan"]) {
      expect(await weights(stage, command)).toMatchObject({
        exitCode: 1,
        report: { obstacles: [{ code: "stopped", fields: { said: "moving hosts" } }] },
      });
    }
    expect(await weights(stage, "show")).toMatchObject({ report: { stop: { reason: "moving hosts" } } });
    const { out } = await assayIn(stage.env, "weights", "why");
    expect(out).toMatch(/^Weights are stopped since \d{4}-.*Z: moving hosts\n/);

    expect(await weights(stage, "resume")).toMatchObject({ exitCode: 0, report: { was: { reason: "moving hosts" } } });
    expect(await readWeightStop(stage.layout)).toBeNull();
    expect((await assayIn(stage.env, "weights", "resume")).out).toBe("Weights were not stopped\n");
    expect((await weights(stage, "plan")).exitCode).toBe(0);
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
