import type { BlockHash } from "@assay/core/units";
import type { DevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, expect, test } from "vitest";
import { openRpcGate, type Tamper } from "./rpc-gate.ts";
import { atEnd, clientOn, endAll, startChain } from "./test-chain.ts";

afterEach(endAll);

/** Answers as a node does that has dropped the state of these blocks, in today's words of Substrate. */
function pruned(hashes: ReadonlySet<BlockHash>): Tamper {
  return ({ id, method, params }, send) => {
    const hash = params.at(-1);
    if (!method.startsWith("state_") || typeof hash !== "string" || !hashes.has(hash as BlockHash)) return false;
    send({ id, error: { code: 4003, message: `Client error: UnknownBlock: State already discarded for ${hash}` } });
    return true;
  };
}

/** A node of the chain that lacks some blocks' state. */
async function lightNode(chain: DevChain, hashes: ReadonlySet<BlockHash>): Promise<string> {
  const gate = await openRpcGate(chain.url, pruned(hashes));
  atEnd(() => gate.close());
  return gate.url;
}

async function chainWithPast() {
  const chain = await startChain({ manual: true });
  const old = chain.head.hash;
  const hashes = new Set([old]);
  chain.writeStorage("SubtensorModule", "Tempo", [2], 99);
  // A block's types are those of its parent's runtime, so the oldest block that can be read has a parent with state.
  chain.buildBlock();
  const { hash: recent } = chain.buildBlock();
  return { chain, old, recent, hashes };
}

test("state that a light node has dropped is read from the archive list, at the block that was asked for", async () => {
  const { chain, old, recent, hashes } = await chainWithPast();
  const light = await lightNode(chain, hashes);
  const logger = createMemoryLogger();
  const client = await clientOn([light], { archiveEndpoints: [chain.url], logger });
  expect((await client.snapshot(2, recent)).hyperparameters.tempo).toBe(99);
  expect(logger.lines().join("\n")).not.toContain("list: archive");

  const snapshot = await client.snapshot(2, old);
  expect([snapshot.hash, snapshot.hyperparameters.tempo]).toEqual([old, 360]);
  expect(await client.commitments(2, old)).toEqual([]);
  expect(await client.weights(2, 0, old)).toEqual([]);
  expect(await client.allWeights(2, old)).toEqual(new Map());
  expect(await client.weightRules(2, old)).toMatchObject({ block: 1, epoch: { blocks: 360 } });
  expect(await client.pendingCommits(2, snapshot.neurons[0]?.hotkey ?? "", old)).toEqual([]);
  expect(logger.lines().filter((line) => line.includes("list: archive"))).toEqual([
    expect.stringContaining(`[INFO] Connected to the chain | endpoint: ${new URL(chain.url).host}`),
  ]);
});

test("without an archive list dropped state is an error", async () => {
  const { chain, old, hashes } = await chainWithPast();
  const client = await clientOn([await lightNode(chain, hashes)]);
  await expect(client.snapshot(2, old)).rejects.toMatchObject({ code: "CHAIN_STATE_DISCARDED" });
});

test("an archive that has dropped the state too, or is away, is an error of its own", async () => {
  const { chain, old, hashes } = await chainWithPast();
  const light = await lightNode(chain, hashes);
  const pruned = await clientOn([light], { archiveEndpoints: [light] });
  await expect(pruned.snapshot(2, old)).rejects.toMatchObject({ code: "CHAIN_STATE_DISCARDED" });
  const lonely = await clientOn([light], { archiveEndpoints: ["ws://127.0.0.1:9"], requestDeadlineMillis: 500 });
  await expect(lonely.commitments(2, old)).rejects.toMatchObject({
    code: "CHAIN_DISCONNECTED",
    retryable: true,
    fields: { endpoints: "archive" },
  });
});

test("an archive of another chain answers nothing", async () => {
  const { chain, old, hashes } = await chainWithPast();
  const other = await startChain({ manual: true, netuid: 3 });
  const light = await lightNode(chain, hashes);
  const logger = createMemoryLogger();
  const client = await clientOn([light], { archiveEndpoints: [other.url], requestDeadlineMillis: 500, logger });
  await expect(client.snapshot(2, old)).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
  expect(logger.lines().join("\n")).toContain("[ERROR] An endpoint serves another chain than the first one");
});
