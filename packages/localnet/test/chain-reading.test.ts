import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChainFixture, MINER, NETUID, OTHER_MINER, rpcErrorOf, STAKED, STRANGER, VALIDATOR } from "./chain-fixture.ts";

describe("a client of the development chain", () => {
  let fixture: ChainFixture;
  beforeAll(async () => {
    fixture = await ChainFixture.start();
  });
  afterAll(() => fixture.stop());

  test("learns the chain's name, runtime and properties", async () => {
    const { api } = fixture;
    expect((await api.rpc.system.chain()).toString()).toBe("Bittensor development chain");
    expect(api.runtimeVersion.specName.toString()).toBe("node-subtensor");
    expect(api.registry.chainSS58).toBe(42);
    expect(api.registry.chainDecimals).toEqual([9]);
    expect(api.registry.chainTokens).toEqual(["TAO"]);
  });

  test("reads neurons by map entries, by many keys at once, and whole columns", async () => {
    const entries = await fixture.entry("subtensorModule", "keys").entries(NETUID);
    expect(entries.map(([key, hotkey]) => [key.args[1]?.toJSON(), hotkey.toJSON()])).toEqual([
      [0, VALIDATOR.address],
      [1, STAKED.address],
      [2, MINER.address],
      [3, OTHER_MINER.address],
    ]);
    const uids = await fixture.entry("subtensorModule", "uids").multi([
      [NETUID, OTHER_MINER.address],
      [NETUID, STRANGER.address],
    ]);
    expect(uids.map((uid) => uid.toJSON())).toEqual([3, null]);
    expect(await fixture.query("subtensorModule", "validatorPermit", NETUID)).toEqual([true, false, false, false]);
    expect(await fixture.query("subtensorModule", "owner", VALIDATOR.address)).toBe(STRANGER.address);
    expect(await fixture.query("subtensorModule", "tempo", NETUID)).toBe(360);
  });

  test("reads neurons through the runtime API", async () => {
    const neurons = await fixture.callRuntime("neuronInfoRuntimeApi", "getNeuronsLite", NETUID);
    expect(neurons).toMatchObject([
      {
        hotkey: VALIDATOR.address,
        coldkey: STRANGER.address,
        uid: 0,
        validatorPermit: true,
        stake: [[STRANGER.address, 1_000_000_000_000]],
      },
      { hotkey: STAKED.address, uid: 1, validatorPermit: false },
      { hotkey: MINER.address, uid: 2 },
      { hotkey: OTHER_MINER.address, uid: 3 },
    ]);
  });

  test("reads at a block's hash what that block left", async () => {
    const { chain } = fixture;
    const before = chain.head;
    chain.writeStorage("SubtensorModule", "Tempo", [NETUID], 99);
    expect(await fixture.query("subtensorModule", "tempo", NETUID)).toBe(360);
    const after = chain.buildBlock();
    expect(await fixture.queryAt(before.hash, "subtensorModule", "tempo", NETUID)).toBe(360);
    expect(await fixture.queryAt(after.hash, "subtensorModule", "tempo", NETUID)).toBe(99);
    expect(await fixture.queryAt(after.hash, "system", "number")).toBe(after.number);
  });

  test("hears of every head, and of final ones two blocks later", async () => {
    const { chain } = fixture;
    const first = chain.head.number;
    const heads = await fixture.heads("subscribeNewHeads");
    const finalized = await fixture.heads("subscribeFinalizedHeads");
    chain.buildUntil(first + 3);
    await expect.poll(() => heads).toEqual([first, first + 1, first + 2, first + 3]);
    await expect.poll(() => finalized).toEqual([chain.finalized.number - 3, first - 1, first, first + 1]);
  });

  test("is told when a storage value it watches changes", async () => {
    const { chain } = fixture;
    const seen: unknown[] = [];
    await fixture.entry("subtensorModule", "minAllowedWeights")(NETUID, (value: { toJSON(): unknown }) => {
      seen.push(value.toJSON());
    });
    chain.buildBlock();
    chain.writeStorage("SubtensorModule", "MinAllowedWeights", [NETUID], 7);
    chain.buildBlock();
    await expect.poll(() => seen).toEqual([1, 7]);
  });

  test("finds blocks by number and none beyond the head", async () => {
    const { chain, api } = fixture;
    expect((await api.rpc.chain.getBlockHash(chain.head.number)).toHex()).toBe(chain.head.hash);
    expect((await api.rpc.chain.getBlockHash(1_000_000)).isEmpty).toBe(true);
    expect((await api.rpc.chain.getFinalizedHead()).toHex()).toBe(chain.finalized.hash);
    const { block } = await api.rpc.chain.getBlock(chain.head.hash);
    expect(block.extrinsics.map(({ method }) => `${method.section}.${method.method}`)).toEqual(["timestamp.set"]);
    expect(block.header.hash.toHex()).toBe(chain.head.hash);
  });

  test("gets an error for a block that never was", async () => {
    const hash = `0x${"ab".repeat(32)}`;
    expect(await rpcErrorOf(fixture.send("state_getStorage", "0x00", hash))).toEqual({
      code: 4003,
      message: `4003: Client error: UnknownBlock: Header was not found in the database: ${hash}`,
    });
  });

  test("connects again after its connection was cut, and hears of heads again", async () => {
    const { chain, api } = fixture;
    const heads = await fixture.heads("subscribeNewHeads");
    const reconnected = new Promise<void>((resolve) => api.once("disconnected", () => api.once("connected", resolve)));
    chain.dropConnections();
    await reconnected;
    chain.buildBlock();
    await expect.poll(() => heads.at(-1)).toBe(chain.head.number);
  });
});

describe("a chain that keeps the state of few blocks", () => {
  let fixture: ChainFixture;
  beforeAll(async () => {
    fixture = await ChainFixture.start({ pruneAfterBlocks: 5 });
    fixture.chain.buildUntil(20);
  });
  afterAll(() => fixture.stop());

  const hashOf = async (block: number) => String(await fixture.send("chain_getBlockHash", block));

  test("answers reads at older blocks as a real node does", async () => {
    const hash = await hashOf(14);
    const error = { code: 4003, message: `4003: Client error: UnknownBlock: State already discarded for ${hash}` };
    expect(await rpcErrorOf(fixture.send("state_getStorage", "0x00", hash))).toEqual(error);
    expect(await rpcErrorOf(fixture.send("state_getRuntimeVersion", hash))).toEqual(error);
    expect(await rpcErrorOf(fixture.send("state_call", "Metadata_metadata_versions", "0x", hash))).toEqual(error);
    await expect(fixture.api.at(hash)).rejects.toThrow("State already discarded for 0x");
  });

  test("still has their headers, and the state of the newer ones", async () => {
    expect(await fixture.send("chain_getHeader", await hashOf(3))).toMatchObject({ number: "0x3" });
    const hash = await hashOf(16);
    expect(await fixture.queryAt(hash, "system", "number")).toBe(16);
    expect(await fixture.queryAt(hash, "subtensorModule", "keys", NETUID, 0)).toBe(VALIDATOR.address);
  });
});

describe("a chain that builds blocks by the clock", () => {
  test("builds them, rests while paused, and goes on", async () => {
    const fixture = await ChainFixture.start({ manual: false, blockMillis: 100 });
    const { chain } = fixture;
    expect(fixture.constant("timestamp", "minimumPeriod")).toBe(50);
    await expect.poll(() => chain.head.number, { timeout: 5000 }).toBeGreaterThan(4);
    chain.pause();
    const paused = chain.head.number;
    const times: number[] = [];
    for (const block of [1, 2, 3, 4]) {
      const hash = String(await fixture.send("chain_getBlockHash", block));
      times.push(Number(await fixture.queryAt(hash, "timestamp", "now")));
    }
    expect(times).toEqual([...new Set(times)].sort((left, right) => left - right));
    expect(chain.head.number).toBe(paused);
    chain.resume();
    await expect.poll(() => chain.head.number, { timeout: 5000 }).toBeGreaterThan(paused + 1);
    await fixture.stop();
  });
});
