import type { SignerOptions } from "@polkadot/api/types";
import type { ExtrinsicEra } from "@polkadot/types/interfaces";
import type { ISubmittableResult } from "@polkadot/types/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChainFixture, MINER, OTHER_MINER, rpcErrorOf, VALIDATOR } from "./chain-fixture.ts";

let fixture: ChainFixture;
beforeEach(async () => {
  fixture = await ChainFixture.start({ finalityLag: 4, blockMillis: 1000, genesisMillis: 1_000_000 });
});
afterEach(() => fixture.stop());

const remark = (text: string) => fixture.call("system", "remark", text);

/** Signs and sends; the list it returns grows as statuses arrive. */
async function watch(text: string, { nonce = 0, ...options }: Partial<SignerOptions> = {}): Promise<string[]> {
  const statuses: string[] = [];
  await remark(text).signAndSend(MINER, { nonce, era: 0, ...options }, ({ status }: ISubmittableResult) => {
    statuses.push(status.type);
  });
  return statuses;
}

/** Builds the block that holds an extrinsic. The client loses a status that the next one follows too closely. */
async function buildWith(statuses: readonly string[]): Promise<void> {
  fixture.chain.buildBlock();
  await expect.poll(() => statuses.at(-1)).toBe("InBlock");
}

/** Everything that a subscription of the RPC itself says, by number and hash. */
async function headers(method: "NewHeads" | "AllHeads"): Promise<string[]> {
  const heard: string[] = [];
  const [topic, subscribe] = [method === "NewHeads" ? "chain_newHead" : "chain_allHead", `chain_subscribe${method}`];
  await fixture.provider.subscribe(
    topic,
    subscribe,
    [],
    (_error: Error | null, header: { readonly number: string }) => {
      heard.push(`${Number(header.number)}`);
    },
  );
  return heard;
}

describe("a fork", () => {
  test("replaces the newest blocks, tells of one new head, and of every block to those who asked for all", async () => {
    const { chain } = fixture;
    chain.buildUntil(6);
    const before = [4, 5, 6].map((number) => fixture.send("chain_getBlockHash", number));
    const old = await Promise.all(before);
    const [heads, all] = [await headers("NewHeads"), await headers("AllHeads")];

    expect(chain.fork({ depth: 2 })).toMatchObject({ number: 7 });
    await expect
      .poll(() => [heads, all])
      .toEqual([
        ["6", "7"],
        ["6", "5", "6", "7"],
      ]);
    const hashes = await Promise.all([4, 5, 6, 7].map((number) => fixture.send("chain_getBlockHash", number)));
    expect(hashes[0]).toBe(old[0]);
    expect(hashes[1]).not.toBe(old[1]);
    expect(hashes[2]).not.toBe(old[2]);
    expect(hashes[3]).toBe(chain.head.hash);
    const header = (hash: unknown) => fixture.send("chain_getHeader", hash) as Promise<Record<string, unknown>>;
    expect(await header(hashes[1])).toMatchObject({ number: "0x5", parentHash: old[0] });
    expect(await header(old[2])).toMatchObject({ number: "0x6", parentHash: old[1] });
    expect(chain.buildBlock().number).toBe(8);
  });

  test("of a shorter branch makes the head's number fall, and blocks follow on it", async () => {
    const { chain } = fixture;
    chain.buildUntil(6);
    const heads = await headers("NewHeads");
    chain.fork({ depth: 3, length: 1 });
    chain.buildBlock();
    await expect.poll(() => heads).toEqual(["6", "4", "5"]);
    expect(chain.finalized.number).toBe(2);
  });

  test("of equal length differs from what it replaces though both are empty", () => {
    const { chain } = fixture;
    chain.buildUntil(4);
    const hashes = [
      chain.head.hash,
      chain.fork({ depth: 1, length: 1 }).hash,
      chain.fork({ depth: 1, length: 1 }).hash,
    ];
    expect(new Set(hashes).size).toBe(3);
    expect(chain.head.number).toBe(4);
  });

  test("reaches no final block", () => {
    const { chain } = fixture;
    chain.buildUntil(8);
    expect(chain.finalized.number).toBe(4);
    expect(() => chain.fork({ depth: 5 })).toThrow(new RangeError("only 4 blocks are not final"));
    expect(() => chain.fork({ depth: 0 })).toThrow(new RangeError("depth must be at least 1"));
    expect(chain.fork({ depth: 4 }).number).toBe(9);
  });

  test("gives each branch its own state, and old states stay readable until they are discarded", async () => {
    const { chain } = fixture;
    const nonceAt = async (hash: string) =>
      ((await fixture.queryAt(hash, "system", "account", MINER.address)) as { nonce: number }).nonce;
    await watch("one");
    chain.buildUntil(3);
    const old = chain.head.hash;
    chain.fork({ depth: 2, extrinsics: "lose" });
    expect([await nonceAt(old), await nonceAt(chain.head.hash)]).toEqual([1, 0]);
    const keys = (hash: string) => fixture.send("state_getKeysPaged", "0x", 1000, null, hash) as Promise<string[]>;
    expect(await keys(old)).toHaveLength((await keys(chain.head.hash)).length - 1);

    chain.fork({ depth: 3, length: 1 });
    expect([await nonceAt(old), await nonceAt(chain.head.hash)]).toEqual([1, 0]);
    chain.buildUntil(8);
    chain.pruneBelow(4);
    expect(await rpcErrorOf(fixture.send("state_getStorage", "0x", old))).toMatchObject({
      code: 4003,
      message: expect.stringContaining("State already discarded"),
    });
    expect(await fixture.send("chain_getHeader", old)).toMatchObject({ number: "0x3" });
  });

  test("does what the root did in abandoned blocks again", () => {
    const { chain } = fixture;
    const tempo = () => chain.readStorage("SubtensorModule", "Tempo", [2]);
    chain.setHyperparameters({ tempo: 99 });
    chain.buildUntil(3);
    chain.fork({ depth: 2, length: 1 });
    expect(tempo()).toBe(99);
    expect(chain.head.number).toBe(2);
  });

  test("enacts an upgrade of an abandoned block again, once", async () => {
    const { chain } = fixture;
    chain.upgradeRuntime({ specVersion: 9 });
    chain.buildUntil(4);
    const version = async (number: number) => {
      const hash = await fixture.send("chain_getBlockHash", number);
      return ((await fixture.send("state_getRuntimeVersion", hash)) as { specVersion: number }).specVersion;
    };
    expect([await version(1), await version(2), await version(4)]).toEqual([1, 9, 9]);
    chain.fork({ depth: 3, length: 2 });
    expect([await version(1), await version(2), await version(3)]).toEqual([1, 9, 9]);
  });
});

describe("an extrinsic of an abandoned block", () => {
  test("is retracted, waits again, and lands in a later block", async () => {
    const { chain } = fixture;
    const statuses = await watch("one");
    await buildWith(statuses);
    chain.fork({ depth: 1 });
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "Retracted", "Ready"]);
    expect(await fixture.nonce(MINER)).toBe(0);
    await buildWith(statuses);
    expect(await fixture.nonce(MINER)).toBe(1);
    chain.buildUntil(chain.head.number + 4);
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "Retracted", "Ready", "InBlock", "Finalized"]);
    expect(await fixture.nonce(MINER)).toBe(1);
  });

  test("is in the branch at once where its author had heard of it", async () => {
    const { chain } = fixture;
    const statuses = [await watch("one"), await watch("two", { nonce: 1 })];
    for (const list of statuses) await buildWith(list);
    chain.fork({ depth: 2, extrinsics: "reinclude" });
    await expect.poll(() => statuses[0]).toEqual(["Ready", "InBlock", "Retracted", "InBlock"]);
    expect(await fixture.nonce(MINER)).toBe(2);
    chain.buildUntil(8);
    for (const list of statuses) await expect.poll(() => list.slice(-2)).toEqual(["InBlock", "Finalized"]);
  });

  test("is lost without a word when the node lost it, and can be handed in again", async () => {
    const { chain, api } = fixture;
    const signed = await remark("one").signAsync(MINER, { nonce: 0, era: 0 });
    await api.rpc.author.submitExtrinsic(signed);
    chain.buildBlock();
    chain.fork({ depth: 1, extrinsics: "lose" });
    chain.buildUntil(6);
    expect(await fixture.nonce(MINER)).toBe(0);
    await api.rpc.author.submitExtrinsic(signed);
    expect(await fixture.refusal(chain.buildBlock().hash, signed.hash.toHex())).toBeNull();
  });

  test("is invalid on a branch that lacks the block where its era began", async () => {
    const { chain } = fixture;
    chain.buildUntil(4);
    const era = fixture.api.registry.createType<ExtrinsicEra>("ExtrinsicEra", { current: 4, period: 8 });
    const statuses = await watch("mortal", { era, blockHash: chain.head.hash });
    await buildWith(statuses);
    chain.fork({ depth: 3 });
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "Retracted", "Invalid"]);
  });

  test("is invalid after a branch with another runtime", async () => {
    const { chain } = fixture;
    const statuses = await watch("one");
    await buildWith(statuses);
    chain.upgradeRuntime({ specVersion: 2 });
    chain.fork({ depth: 1 });
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "Retracted", "Invalid"]);
  });
});

describe("finality", () => {
  test("stands still while it is stalled, and catches up in one step", async () => {
    const { chain } = fixture;
    chain.buildUntil(6);
    const finalized = await fixture.heads("subscribeFinalizedHeads");
    chain.stallFinality();
    chain.buildUntil(20);
    expect(chain.finalized.number).toBe(2);
    chain.fork({ depth: 17 });
    chain.resumeFinality();
    chain.buildBlock();
    expect(chain.finalized.number).toBe(18);
    await expect.poll(() => finalized).toEqual([2, 18]);
  });

  test("follows at another distance when told to, and takes nothing back", () => {
    const { chain } = fixture;
    chain.buildUntil(10);
    chain.setFinalityLag(8);
    chain.buildUntil(12);
    expect(chain.finalized.number).toBe(6);
    chain.buildUntil(15);
    expect(chain.finalized.number).toBe(7);
    chain.setFinalityLag(1);
    chain.buildBlock();
    expect(chain.finalized.number).toBe(15);
  });

  test("that does not come for 512 blocks is no longer waited for", async () => {
    const { chain } = fixture;
    chain.stallFinality();
    const statuses = await watch("one");
    await buildWith(statuses);
    chain.buildUntil(520);
    await expect.poll(() => statuses).toEqual(["Ready", "InBlock", "FinalityTimeout"]);
  });
});

test("a missed block leaves a gap in time and none in the numbers", () => {
  const { chain } = fixture;
  const now = () => chain.readStorage("Timestamp", "Now", []);
  expect([chain.head.number, now()]).toEqual([1, 1_001_000]);
  chain.missBlocks(3);
  chain.buildBlock();
  expect([chain.head.number, now()]).toEqual([2, 1_005_000]);
  chain.buildBlock();
  expect([chain.head.number, now()]).toEqual([3, 1_006_000]);
});

test("blocks missed by the clock come late", async () => {
  await fixture.stop();
  fixture = await ChainFixture.start({ manual: false, blockMillis: 100 });
  const { chain } = fixture;
  const now = () => Number(chain.readStorage("Timestamp", "Now", []));
  const { number } = chain.head;
  chain.missBlocks(5);
  const before = now();
  await expect.poll(() => chain.head.number, { interval: 5 }).toBe(number + 1);
  expect(now() - before).toBeGreaterThanOrEqual(400);
});

test("an account's nonces start anew with the branch", async () => {
  const { chain, api } = fixture;
  for (const text of ["a", "b"]) await fixture.include(remark(text), OTHER_MINER);
  chain.fork({ depth: 2, extrinsics: "lose" });
  expect((await api.rpc.system.accountNextIndex(OTHER_MINER.address)).toNumber()).toBe(0);
  expect((await api.rpc.system.accountNextIndex(VALIDATOR.address)).toNumber()).toBe(0);
});
