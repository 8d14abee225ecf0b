import { once } from "node:events";
import type { KeyringPair } from "@polkadot/keyring/types";
import type { ISubmittableResult } from "@polkadot/types/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import {
  ChainFixture,
  type Extrinsic,
  MINER,
  NETUID,
  OTHER_MINER,
  rpcErrorOf,
  STRANGER,
  TAO,
  VALIDATOR,
} from "./chain-fixture.ts";

let fixture: ChainFixture;
beforeEach(async () => {
  fixture = await ChainFixture.start();
});
afterEach(() => fixture.stop());

const submit = (hex: string) => rpcErrorOf(fixture.send("author_submitExtrinsic", hex));
const remark = (text: string) => fixture.call("system", "remark", text);

/** Signs and sends; the list it returns grows as statuses arrive. */
async function watch(nonce: number, signer = MINER): Promise<string[]> {
  const statuses: string[] = [];
  await remark(`nonce ${nonce}`).signAndSend(signer, { nonce }, ({ status }: ISubmittableResult) => {
    statuses.push(status.type);
  });
  return statuses;
}

describe("an extrinsic", () => {
  test("is ready, then in a block, then final two blocks later", async () => {
    const { chain } = fixture;
    const statuses = await watch(0);
    await expect.poll(() => statuses).toEqual(["Ready"]);
    chain.buildBlock();
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock"]);
    chain.buildBlock();
    expect(chain.finalized.number).toBe(1);
    chain.buildBlock();
    expect(chain.finalized.number).toBe(2);
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "Finalized"]);
  });

  test("with one flipped bit in its signature is refused", async () => {
    const signed = await fixture.setWeights([1], [1]).signAsync(VALIDATOR);
    const signature = signed.signature.toHex();
    const lastDigit = Number.parseInt(signature.slice(-1), 16) ^ 1;
    const forged = signed.toHex().replace(signature.slice(2), `${signature.slice(2, -1)}${lastDigit.toString(16)}`);
    expect(await submit(forged)).toEqual({
      code: 1010,
      message: "1010: Invalid Transaction: Transaction has a bad signature",
      data: "Transaction has a bad signature",
    });
  });

  test("that says something else than was signed is refused", async () => {
    const signed = await fixture.call("subtensorModule", "setWeights", NETUID, [1], [0x1234], 0).signAsync(VALIDATOR);
    const changed = signed.toHex().replace("3412", "3512");
    expect(await submit(changed)).toMatchObject({ code: 1010, data: "Transaction has a bad signature" });
  });

  test("of a nonce that was used is refused", async () => {
    await fixture.include(remark("one"), MINER);
    const signed = await remark("two").signAsync(MINER, { nonce: 0 });
    expect(await submit(signed.toHex())).toMatchObject({ code: 1010, data: "Transaction is outdated" });
  });

  test("of a future nonce waits until those before it have come", async () => {
    const { chain, api } = fixture;
    const later = await watch(1);
    await expect.poll(() => later).toEqual(["Future"]);
    chain.buildBlock();
    expect(await api.rpc.author.pendingExtrinsics()).toHaveLength(1);
    expect((await api.rpc.system.accountNextIndex(MINER.address)).toNumber()).toBe(0);
    const first = await watch(0);
    await expect.poll(() => [later, first]).toEqual([["Future", "Ready"], ["Ready"]]);
    expect((await api.rpc.system.accountNextIndex(MINER.address)).toNumber()).toBe(2);
    const { hash } = chain.buildBlock();
    const { block } = await api.rpc.chain.getBlock(hash);
    expect(block.extrinsics.slice(1).map(({ nonce }) => nonce.toNumber())).toEqual([0, 1]);
    expect(await fixture.nonce(MINER)).toBe(2);
  });

  test("of a nonce that waits already is refused, and so is the same extrinsic", async () => {
    const signed = await remark("one").signAsync(MINER, { nonce: 0 });
    const rival = await remark("two").signAsync(MINER, { nonce: 0 });
    const other = await remark("two").signAsync(OTHER_MINER, { nonce: 0 });
    await fixture.api.rpc.author.submitExtrinsic(signed);
    expect(await submit(rival.toHex())).toMatchObject({
      code: 1014,
      message: expect.stringContaining("Priority is too low"),
    });
    expect(await submit(signed.toHex())).toMatchObject({ code: 1013 });
    await fixture.api.rpc.author.submitExtrinsic(other);
    fixture.chain.buildBlock();
    expect(await fixture.api.rpc.author.pendingExtrinsics()).toHaveLength(0);
  });

  test("dies with its era", async () => {
    const { chain } = fixture;
    const statuses: string[] = [];
    await remark("mortal").signAndSend(MINER, { era: 8, nonce: 1 }, ({ status }: ISubmittableResult) => {
      statuses.push(status.type);
    });
    chain.buildUntil(12);
    await expect.poll(() => statuses).toEqual(["Future", "Invalid"]);
  });

  test("without an era lives on", async () => {
    const signed = await remark("immortal").signAsync(MINER, { era: 0 });
    fixture.chain.buildUntil(100);
    await fixture.api.rpc.author.submitExtrinsic(signed);
    expect(await fixture.refusal(fixture.chain.buildBlock().hash, signed.hash.toHex())).toBeNull();
  });

  test("that is refused still costs its nonce", async () => {
    expect(await fixture.include(fixture.setWeights([1, 2], [1]), VALIDATOR)).toBe(
      "subtensorModule.WeightVecNotEqualSize",
    );
    expect(await fixture.nonce(VALIDATOR)).toBe(1);
  });

  test("that is not signed, or is no extrinsic at all, is refused", async () => {
    expect(await submit(remark("unsigned").toHex())).toMatchObject({ code: 1010 });
    expect(await submit("0x1234")).toMatchObject({ code: 1002 });
    const signed = await remark("one").signAsync(MINER);
    expect(await submit(`${signed.toHex()}00`)).toMatchObject({ code: 1002 });
  });

  test("is sent back when the pool is full", async () => {
    await fixture.stop();
    fixture = await ChainFixture.start({ poolLimit: 1 });
    await fixture.api.rpc.author.submitExtrinsic(await remark("one").signAsync(MINER));
    const second = await remark("two").signAsync(OTHER_MINER);
    expect(await submit(second.toHex())).toMatchObject({ code: 1016 });
  });
});

describe("an extrinsic that the pool does not keep", () => {
  const statusesOf = async (text: string, options: { nonce: number; tip?: number; era?: number }, signer = MINER) => {
    const statuses: string[] = [];
    await remark(text).signAndSend(signer, options, ({ status }: ISubmittableResult) => {
      statuses.push(status.type);
    });
    return statuses;
  };
  const banned = { code: 1012, message: "1012: Transaction is temporarily banned", data: undefined };

  test("is usurped by one of the same nonce with a higher tip, and not by an equal one", async () => {
    const first = await statusesOf("first", { nonce: 0, tip: 5 });
    const rival = await remark("rival").signAsync(MINER, { nonce: 0, tip: 5 });
    expect(await submit(rival.toHex())).toEqual({
      code: 1014,
      message: expect.stringMatching(/^1014: Priority is too low: \(5 vs 5\)/),
      data: "The transaction has too low priority to replace another transaction already in the pool.",
    });
    const second = await statusesOf("second", { nonce: 0, tip: 6 });
    await expect.poll(() => first).toEqual(["Ready", "Usurped"]);
    fixture.chain.buildBlock();
    await expect.poll(() => second).toEqual(["Ready", "InBlock"]);
    expect(await fixture.nonce(MINER)).toBe(1);
  });

  test("is dropped for a higher tip when the pool is full, and the lower tip is dropped at once and banned", async () => {
    await fixture.stop();
    fixture = await ChainFixture.start({ poolLimit: 1, broadcasts: true });
    const low = await statusesOf("low", { nonce: 0, tip: 1 });
    const equal = await remark("equal").signAsync(OTHER_MINER, { nonce: 0, tip: 1 });
    expect(await submit(equal.toHex())).toEqual({
      code: 1016,
      message: "1016: Immediately Dropped: The transaction couldn't enter the pool because of the limit",
      data: "The transaction couldn't enter the pool because of the limit",
    });
    expect(await submit(equal.toHex())).toEqual(banned);
    await statusesOf("high", { nonce: 0, tip: 2 }, OTHER_MINER);
    await expect.poll(() => low).toEqual(["Ready", "Broadcast", "Dropped"]);
  });

  test("is banned once it proved invalid, until the ban is over", async () => {
    await fixture.stop();
    fixture = await ChainFixture.start({ poolBanMillis: 36_000, blockMillis: 12_000 });
    await fixture.include(remark("one"), MINER);
    const stale = await remark("two").signAsync(MINER, { nonce: 0, era: 0 });
    expect(await submit(stale.toHex())).toMatchObject({ code: 1010, data: "Transaction is outdated" });
    expect(await submit(stale.toHex())).toEqual(banned);
    fixture.chain.buildUntil(4);
    expect(await submit(stale.toHex())).toEqual(banned);
    fixture.chain.buildUntil(5);
    expect(await submit(stale.toHex())).toMatchObject({ code: 1010, data: "Transaction is outdated" });
  });

  test("is banned while a block holds it", async () => {
    const signed = await remark("one").signAsync(MINER, { nonce: 0 });
    await fixture.api.rpc.author.submitExtrinsic(signed);
    fixture.chain.buildBlock();
    expect(await submit(signed.toHex())).toEqual(banned);
  });
});

describe("a pool that checks calls", () => {
  beforeEach(async () => {
    await fixture.stop();
    fixture = await ChainFixture.start({ poolChecks: true, hyperparameters: { stakeThreshold: TAO } });
  });

  test("refuses them with the numbers of the real chain's pool", async () => {
    const refusal = async (extrinsic: Extrinsic, signer: KeyringPair) =>
      (await submit((await extrinsic.signAsync(signer)).toHex())).data;
    const axon = (ip: number, port: number) =>
      fixture.call("subtensorModule", "serveAxon", NETUID, 1, ip, port, 4, 4, 0, 0);
    expect(await refusal(fixture.setWeights([1, 2], [1]), VALIDATOR)).toBe("Custom error: 18");
    expect(await refusal(fixture.setWeights([1], [1], 0, 9), VALIDATOR)).toBe("Custom error: 3");
    expect(await refusal(fixture.setWeights([1], [1]), STRANGER)).toBe("Custom error: 19");
    expect(await refusal(fixture.setWeights([1], [1]), MINER)).toBe("Custom error: 1");
    expect(await refusal(axon(1, 80), STRANGER)).toBe("Custom error: 10");
    expect(await refusal(axon(0x7f00_0001, 80), MINER)).toBe("Custom error: 11");
    expect(await refusal(axon(1, 0), MINER)).toBe("Custom error: 13");
    expect(await fixture.include(axon(1, 80), MINER)).toBeNull();
    expect(await refusal(axon(1, 80), MINER)).toBe("Custom error: 12");
    expect(await fixture.include(fixture.setWeights([1], [1]), VALIDATOR)).toBeNull();
    expect(await refusal(fixture.setWeights([1], [1]), VALIDATOR)).toBe("Custom error: 6");
    expect(await fixture.api.rpc.author.pendingExtrinsics()).toHaveLength(0);
  });

  test("checks what waits again before each block", async () => {
    const { chain } = fixture;
    const statuses: string[] = [];
    await fixture.setWeights([1], [1]).signAndSend(VALIDATOR, ({ status }: ISubmittableResult) => {
      statuses.push(status.type);
    });
    chain.writeStorage("SubtensorModule", "StakeThreshold", [], 5000n * TAO);
    await expect.poll(() => statuses).toEqual(["Ready"]);
    chain.fork({ depth: 1, length: 1 });
    chain.buildBlock();
    await expect.poll(() => statuses).toEqual(["Ready", "Invalid"]);
    expect(await fixture.nonce(VALIDATOR)).toBe(0);
  });

  test("leaves the rate limit of time-locked commits to the block", async () => {
    fixture.chain.setHyperparameters({ commitRevealWeightsEnabled: true });
    fixture.chain.buildBlock();
    const commit = () => fixture.call("subtensorModule", "commitTimelockedWeights", NETUID, "0x01", 2 ** 40, 4);
    expect(await fixture.include(commit(), VALIDATOR)).toBeNull();
    expect(await fixture.include(commit(), VALIDATOR)).toBe("subtensorModule.CommittingWeightsTooFast");
    const hashed = await fixture
      .call("subtensorModule", "commitWeights", NETUID, `0x${"11".repeat(32)}`)
      .signAsync(VALIDATOR);
    expect((await submit(hashed.toHex())).data).toBe("Custom error: 6");
  });

  test("leaves the other refusals to the block", async () => {
    expect(await fixture.include(fixture.setWeights([1, 1], [1, 1]), VALIDATOR)).toBe("subtensorModule.DuplicateUids");
  });
});

describe("the server", () => {
  test.each([
    ["{", -32_700],
    ["null", -32_600],
    ['{"id":1,"method":7}', -32_600],
    ['{"id":1,"method":"toString"}', -32_601],
    ['{"id":1,"method":"state_getStorage","params":[7]}', -32_602],
    ['{"id":1,"method":"state_getStorage","params":{"key":"0x"}}', -32_602],
    ['{"id":1,"method":"author_submitExtrinsic","params":[null]}', -32_602],
    ['{"id":1,"method":"author_submitAndWatchExtrinsic","params":["0x04"]}', 1002],
    ['{"id":1,"method":"state_call","params":["Core_version","0x"]}', 4003],
    ['{"id":1,"method":"state_call","params":["NeuronInfoRuntimeApi_get_neurons_lite","0x"]}', -32_603],
  ])("answers %s with error %i and lives on", async (message, code) => {
    const socket = new WebSocket(fixture.chain.url);
    await once(socket, "open");
    socket.send(message);
    const [reply] = await once(socket, "message");
    expect(JSON.parse(String(reply))).toMatchObject({ error: { code } });
    socket.send('[{"id":1,"method":"system_chain"},{"id":2,"method":"system_name"}]');
    const [alive] = await once(socket, "message");
    expect(JSON.parse(String(alive))).toMatchObject({ id: 1, result: "Bittensor development chain" });
    socket.close();
  });

  test("answers a health check over HTTP", async () => {
    const response = await fetch(`${fixture.chain.url.replace("ws:", "http:")}/health`);
    expect(response.status).toBe(200);
  });
});
