import type { ChainCall } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import { afterEach, expect, test } from "vitest";
import { COMMITMENT, clientOn, endAll, landedCount, nextHead, startChain, WAIT_MILLIS, within } from "./test-chain.ts";

const WEIGHTS: ChainCall = { kind: "set_weights", netuid: 2, uids: [0], weights: [1], versionKey: 0n };

afterEach(endAll);

test.each(["return", "reinclude", "lose"] as const)(
  "an extrinsic whose block is abandoned lands exactly once when nodes %s it",
  async (extrinsics) => {
    const chain = await startChain({ finalityLag: 4 });
    const client = await clientOn([chain.url]);
    let forks = 0;
    const receipt = await client.submit(COMMITMENT, {
      ...within(60, client),
      onState: (state) => {
        if (state !== "in_block" || forks > 0) return;
        forks += 1;
        chain.fork({ depth: chain.head.number - chain.finalized.number, extrinsics });
      },
    });

    expect(forks).toBe(1);
    expect(await landedCount(chain)).toBe(1);
    expect(await client.commitments(2, receipt.blockHash)).toHaveLength(1);
    expect(await client.blockHash(receipt.block)).toBe(receipt.blockHash);
    expect(chain.finalized.number).toBeGreaterThanOrEqual(receipt.block);
  },
);

test("an extrinsic that is forked away again and again lands once in the end", async () => {
  const chain = await startChain({ finalityLag: 5 });
  const client = await clientOn([chain.url]);
  let forks = 0;
  const end = client.onHead(() => {
    const depth = chain.head.number - chain.finalized.number - 1;
    if (forks >= 8 || depth < 1) return;
    forks += 1;
    chain.fork({ depth, extrinsics: forks % 2 === 0 ? "lose" : "return" });
  });
  await client.submit(COMMITMENT, within(200, client));
  end();

  expect(forks).toBe(8);
  expect(await landedCount(chain)).toBe(1);
});

test("calls under way side by side all land once, in spite of a fork", async () => {
  const chain = await startChain({ finalityLag: 4 });
  const client = await clientOn([chain.url]);
  let inBlock = 0;
  const submissions = [1, 2, 3].map((value) =>
    client.submit({ ...COMMITMENT, bytes: Uint8Array.of(value) } as ChainCall, {
      ...within(80, client),
      onState: (state) => {
        if (state !== "in_block") return;
        inBlock += 1;
        if (inBlock === 2) chain.fork({ depth: 2, extrinsics: "lose" });
      },
    }),
  );
  const receipts = await Promise.all(submissions);

  expect(new Set(receipts.map(({ hash }) => hash)).size).toBe(3);
  expect(await landedCount(chain)).toBe(3);
});

test("heads go on after a fork, and the client's head is the new branch's", async () => {
  const chain = await startChain({ manual: true, finalityLag: 8 });
  const client = await clientOn([chain.url]);
  const heard: BlockNumber[] = [];
  chain.buildUntil(6);
  await nextHead(client, (block) => block === 6);
  client.onHead(({ number }) => heard.push(number));
  const longer = chain.fork({ depth: 3 });
  await expect.poll(() => client.head()).toEqual(longer);
  expect(heard).toEqual([7]);

  const equal = chain.fork({ depth: 2, length: 2 });
  await expect.poll(() => client.head()).toEqual(equal);
  expect((await client.snapshot(2, equal.hash)).block).toBe(7);
});

test("a branch that is shorter than what it replaces becomes the client's chain", async () => {
  const chain = await startChain({ manual: true, finalityLag: 8 });
  const client = await clientOn([chain.url]);
  chain.buildUntil(6);
  await nextHead(client, (block) => block === 6);
  const shorter = chain.fork({ depth: 3, length: 1 });
  expect(shorter.number).toBe(4);
  chain.buildUntil(7);
  await expect.poll(() => client.head()).toEqual(chain.head);
  expect(await client.blockHash(4)).toBe(shorter.hash);
});

test("weights count as set only from a final block, which no fork takes back", async () => {
  const chain = await startChain({ manual: true, finalityLag: 3 });
  const client = await clientOn([chain.url]);
  const states: string[] = [];
  const submission = client.submit(WEIGHTS, { ...within(40, client), onState: (state) => states.push(state) });
  await expect.poll(() => states.at(-1), { timeout: WAIT_MILLIS }).toBe("ready");
  chain.buildBlock();
  await expect.poll(() => states.at(-1), { timeout: WAIT_MILLIS }).toBe("in_block");
  const abandoned = chain.head;
  const weightsAt = (hash?: string) => chain.readStorage("SubtensorModule", "Weights", [2, 0], hash);
  expect(weightsAt()).toEqual([[0, 65_535]]);

  chain.fork({ depth: 1 });
  expect(weightsAt()).toEqual([]);
  for (let built = 0; built < 10; built += 1) {
    const { number } = chain.buildBlock();
    await nextHeadOrNow(client, number);
  }
  const receipt = await submission;
  expect(receipt.blockHash).not.toBe(abandoned.hash);
  expect(weightsAt(receipt.blockHash)).toEqual([[0, 65_535]]);
  expect(weightsAt(chain.finalized.hash)).toEqual([[0, 65_535]]);
  expect(await landedCount(chain)).toBe(1);
});

test("finality that stalls for a while delays a call and nothing else", async () => {
  const chain = await startChain();
  const client = await clientOn([chain.url]);
  chain.stallFinality();
  const states: string[] = [];
  const submission = client.submit(COMMITMENT, { ...within(100, client), onState: (state) => states.push(state) });
  await expect.poll(() => states.at(-1), { timeout: WAIT_MILLIS }).toBe("in_block");
  const { number } = chain.head;
  await nextHead(client, (block) => block > number + 10);
  expect(states).toEqual(["signed", "ready", "in_block"]);
  chain.fork({ depth: 8, extrinsics: "reinclude" });
  chain.resumeFinality();
  await submission;
  expect(await landedCount(chain)).toBe(1);
});

test("blocks that were missed do not make a call late", async () => {
  const chain = await startChain();
  const client = await clientOn([chain.url]);
  const options = within(20, client);
  chain.missBlocks(15);
  const { block } = await client.submit(COMMITMENT, options);
  expect(block).toBeLessThanOrEqual(options.deadlineBlock);
  expect(await landedCount(chain)).toBe(1);
});

async function nextHeadOrNow(client: Awaited<ReturnType<typeof clientOn>>, block: BlockNumber): Promise<void> {
  if (client.head().number < block) await nextHead(client, (number) => number >= block);
}
