import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  ChainFixture,
  MINER,
  NETUID,
  OTHER_MINER,
  rpcErrorOf,
  STAKED,
  STRANGER,
  TAO,
  VALIDATOR,
} from "./chain-fixture.ts";

let fixture: ChainFixture;
beforeEach(async () => {
  fixture = await ChainFixture.start({ hyperparameters: { tempo: 10, maxAllowedUids: 5 }, permitsByStake: true });
});
afterEach(() => fixture.stop());

const read = (item: string, ...keys: unknown[]) => fixture.chain.readStorage("SubtensorModule", item, keys);

describe("a test in another process", () => {
  test("can fork, miss blocks, stall finality, prune and upgrade by RPC", async () => {
    const { chain } = fixture;
    chain.buildUntil(4);
    await fixture.send("dev_stallFinality");
    const head = await fixture.send("dev_fork", { depth: 2, length: 1, extrinsics: "reinclude" });
    expect(chain.head).toEqual({ number: 3, hash: head });
    expect(await fixture.send("dev_newBlock")).toBe(chain.head.hash);
    expect(chain.finalized.number).toBe(2);
    await fixture.send("dev_resumeFinality");
    await fixture.send("dev_setFinalityLag", 1);
    await fixture.send("dev_newBlock");
    expect(chain.finalized.number).toBe(4);
    const before = Number(chain.readStorage("Timestamp", "Now", []));
    await fixture.send("dev_missBlocks", 2);
    await fixture.send("dev_newBlock");
    expect(chain.readStorage("Timestamp", "Now", [])).toBe(before + 36_000);
    await fixture.send("dev_pruneBelow", 4);
    expect(
      await rpcErrorOf(fixture.send("state_getStorage", "0x", await fixture.send("chain_getBlockHash", 3))),
    ).toMatchObject({
      code: 4003,
    });
    await fixture.send("dev_upgradeRuntime", { specVersion: 7 });
    await fixture.send("dev_newBlock");
    expect(await fixture.send("state_getRuntimeVersion")).toMatchObject({ specVersion: 7 });
  });

  test("can drop what the pool holds", async () => {
    const { api } = fixture;
    const statuses: string[] = [];
    const remark = fixture.call("system", "remark", "0x01");
    await remark.signAndSend(MINER, { nonce: 0 }, ({ status }: { status: { type: string } }) => {
      statuses.push(status.type);
    });
    expect(await fixture.send("dev_dropPool")).toBe(1);
    await expect.poll(() => statuses).toEqual(["Ready", "Dropped"]);
    expect(await api.rpc.author.pendingExtrinsics()).toHaveLength(0);
  });

  test("gets its answer before its connection is cut", async () => {
    expect(await fixture.send("dev_dropConnections")).toBeNull();
    await expect.poll(() => fixture.provider.isConnected).toBe(false);
  });

  test.each([
    ["dev_fork", []],
    ["dev_fork", [{ depth: 0 }]],
    ["dev_fork", [{ depth: 1, lenght: 2 }]],
    ["dev_fork", [{ depth: 1, extrinsics: "keep" }]],
    ["dev_fork", [{ depth: 99 }]],
    ["dev_fork", [{ depth: 1 }, 2]],
    ["dev_missBlocks", ["3"]],
    ["dev_missBlocks", [0.5]],
    ["dev_setFinalityLag", [0]],
    ["dev_stallFinality", [true]],
    ["dev_upgradeRuntime", [{ version: 2 }]],
    ["dev_pruneBelow", [50]],
    ["dev_setPoolChecks", ["yes"]],
    ["dev_register", [{ hotkey: 5 }]],
    ["dev_register", [{ hotkey: VALIDATOR.address }]],
    ["dev_register", [{ hotkey: STRANGER.address, uid: 9 }]],
    ["dev_deregister", [STRANGER.address]],
    ["dev_setHyperparameters", [{ tempos: 3 }]],
    ["dev_scheduleEpoch", [1]],
    ["dev_setStorage", [["0x00"]]],
  ])("is told that %s with %j makes no sense", async (method, params) => {
    const { hash } = fixture.chain.head;
    expect(await rpcErrorOf(fixture.send(method, ...params))).toMatchObject({ code: -32_602 });
    expect(fixture.chain.head.hash).toBe(hash);
  });
});

describe("a registration", () => {
  test("takes the next slot, and has its hotkey speak", async () => {
    const { chain } = fixture;
    await fixture.send("dev_register", {
      hotkey: STRANGER.address,
      coldkey: MINER.address,
      stakeRao: String(5n * TAO),
    });
    chain.buildBlock();
    expect(read("Uids", NETUID, STRANGER.address)).toBe(4);
    expect(read("SubnetworkN", NETUID)).toBe(5);
    expect(read("Owner", STRANGER.address)).toBe(MINER.address);
    expect(read("LastUpdate", NETUID)).toEqual([0, 0, 0, 0, 2]);
    expect(read("ValidatorPermit", NETUID)).toEqual([true, false, false, false, false]);
    expect(read("BlockAtRegistration", NETUID, 4)).toBe(2);
    expect(await fixture.include(fixture.commitment({ Raw1: "0x07" }), STRANGER)).toBeNull();
  });

  test("replaces the oldest neuron of least emission when all slots are taken, but not the owner's", () => {
    const { chain } = fixture;
    chain.writeStorage("SubtensorModule", "SubnetOwnerHotkey", [NETUID], VALIDATOR.address);
    chain.writeStorage("SubtensorModule", "Emission", [NETUID], [0, 5, 3, 3]);
    chain.register({ hotkey: `0x${"01".repeat(32)}` });
    chain.buildBlock();
    chain.writeStorage("SubtensorModule", "Emission", [NETUID], [0, 5, 3, 3, 9]);
    chain.buildBlock();
    chain.register({ hotkey: STRANGER.address });
    chain.buildBlock();
    expect(read("Uids", NETUID, STRANGER.address)).toBe(2);
    expect(read("Uids", NETUID, MINER.address)).toBeNull();
    expect(read("SubnetworkN", NETUID)).toBe(5);
  });

  test("of a given slot clears what its neuron had and what others gave it", async () => {
    const { chain } = fixture;
    expect(await fixture.include(fixture.setWeights([1, 2], [1, 1]), VALIDATOR)).toBeNull();
    expect(await fixture.include(fixture.commitment({ Raw1: "0x07" }), MINER)).toBeNull();
    chain.register({ hotkey: STRANGER.address, uid: 2 });
    const { number } = chain.buildBlock();
    expect(read("Weights", NETUID, 0)).toEqual([
      [1, 65_535],
      [2, 0],
    ]);
    expect(chain.readStorage("Commitments", "CommitmentOf", [NETUID, MINER.address])).toBeNull();
    expect(read("Keys", NETUID, 2)).toBe(STRANGER.address);
    expect(read("LastUpdate", NETUID)).toEqual([2, 0, number, 0]);
    expect(await fixture.include(fixture.commitment({ Raw1: "0x08" }), MINER)).toBe(
      "commitments.AccountNotAllowedCommit",
    );
  });

  test("can be ended, and begun again in another slot", () => {
    const { chain } = fixture;
    chain.deregister(MINER.address);
    chain.buildBlock();
    expect(read("Uids", NETUID, MINER.address)).toBeNull();
    expect(read("SubnetworkN", NETUID)).toBe(4);
    expect(read("Keys", NETUID, 2)).not.toBe(MINER.address);
    chain.register({ hotkey: MINER.address });
    chain.buildBlock();
    expect(read("Uids", NETUID, MINER.address)).toBe(4);
  });
});

describe("an epoch", () => {
  test("gives permits to those with the most stake, and takes them from the others", () => {
    const { chain } = fixture;
    chain.register({ hotkey: STRANGER.address, stakeRao: 2000n * TAO });
    chain.setHyperparameters({ maxAllowedValidators: 2 });
    chain.buildUntil(9);
    expect(read("ValidatorPermit", NETUID)).toEqual([true, false, false, false, false]);
    chain.buildBlock();
    expect(read("ValidatorPermit", NETUID)).toEqual([true, false, false, false, true]);
    chain.writeStorage("SubtensorModule", "TotalHotkeyAlpha", [STAKED.address, NETUID], 3000n * TAO);
    chain.buildUntil(20);
    expect(read("ValidatorPermit", NETUID)).toEqual([false, true, false, false, true]);
  });

  test("begins early when it is scheduled, and the next one is counted from there", () => {
    const { chain } = fixture;
    chain.scheduleEpoch(5);
    chain.buildUntil(4);
    expect([read("SubnetEpochIndex", NETUID), read("PendingEpochAt", NETUID)]).toEqual([0, 5]);
    chain.buildBlock();
    const state = ["SubnetEpochIndex", "LastEpochBlock", "PendingEpochAt"].map((item) => read(item, NETUID));
    expect(state).toEqual([1, 5, 0]);
    chain.buildUntil(14);
    expect(read("SubnetEpochIndex", NETUID)).toBe(1);
    chain.buildBlock();
    expect([read("SubnetEpochIndex", NETUID), read("LastEpochBlock", NETUID)]).toEqual([2, 15]);
  });

  test("follows a tempo that is changed in its course", () => {
    const { chain } = fixture;
    chain.buildUntil(6);
    chain.setHyperparameters({ tempo: 3 });
    chain.buildBlock();
    expect([read("SubnetEpochIndex", NETUID), read("LastEpochBlock", NETUID)]).toEqual([1, 7]);
    chain.buildUntil(10);
    expect([read("SubnetEpochIndex", NETUID), read("LastEpochBlock", NETUID)]).toEqual([2, 10]);
  });
});

test("the pool takes up and gives up checking calls while it runs", async () => {
  const { chain, api } = fixture;
  const weights = (nonce: number) => fixture.setWeights([1], [1]).signAsync(VALIDATOR, { nonce });
  expect(await fixture.include(fixture.setWeights([1], [1]), VALIDATOR)).toBeNull();
  await fixture.send("dev_setPoolChecks", true);
  const refused = await weights(1);
  expect((await rpcErrorOf(fixture.send("author_submitExtrinsic", refused.toHex()))).data).toBe("Custom error: 6");
  await fixture.send("dev_setPoolChecks", false);
  expect(await fixture.include(fixture.setWeights([2], [1]), VALIDATOR)).toBe("subtensorModule.SettingWeightsTooFast");
  await api.rpc.author.submitExtrinsic(await fixture.call("system", "remark", "0x").signAsync(OTHER_MINER));
  chain.buildBlock();
  expect(await fixture.nonce(OTHER_MINER)).toBe(1);
});
