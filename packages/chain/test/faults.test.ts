import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, expect, test } from "vitest";
import {
  atEnd,
  COMMITMENT,
  clientOn,
  endAll,
  landedCount,
  nextHead,
  proxyTo,
  startChain,
  WAIT_MILLIS,
  within,
} from "./test-chain.ts";

afterEach(endAll);

test("a connection that is open and silent is given up for the next endpoint", async () => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const logger = createMemoryLogger();
  const client = await clientOn([proxy.url, chain.url], { headSilenceMillis: 600, logger });
  const before = client.head().number;
  proxy.fail({ kind: "silent" });
  await nextHead(client, (block) => block > before + 3);

  const lines = logger.lines().filter((line) => /chain/.test(line));
  expect(lines).toHaveLength(3);
  expect(lines[0]).toContain(`[INFO] Connected to the chain | endpoint: ${new URL(proxy.url).host}`);
  expect(lines[1]).toContain("[WARN] Lost the connection to the chain");
  expect(lines[1]).toContain("No new block for 600 ms");
  expect(lines[2]).toContain(`endpoint: ${new URL(chain.url).host}`);
});

test("a chain that stands still for a while is followed again, and complained about once", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { headSilenceMillis: 300, logger });
  chain.pause();
  await expect.poll(() => logger.lines().join("\n"), { timeout: WAIT_MILLIS }).toContain("No new block for 300 ms");
  const paused = client.head().number;
  chain.resume();
  expect(await nextHead(client, (block) => block > paused)).toBeGreaterThan(paused);
});

test("an extrinsic whose hand-over got lost lands once, over another endpoint", async () => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const client = await clientOn([proxy.url, chain.url], { headSilenceMillis: 600, requestDeadlineMillis: 500 });
  const submission = client.submit(COMMITMENT, {
    ...within(100, client),
    onState: (state) => state === "signed" && proxy.fail({ kind: "silent" }),
  });

  const receipt = await submission;
  expect(await client.commitments(2, receipt.blockHash)).toMatchObject([{ bytes: Uint8Array.of(7) }]);
  expect(await landedCount(chain)).toBe(1);
});

test("an extrinsic that landed while we were cut off is found, and not sent again", async () => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const client = await clientOn([proxy.url], { headSilenceMillis: 1500, requestDeadlineMillis: 500 });
  const submission = client.submit(COMMITMENT, {
    ...within(100, client),
    onState: (state) => state === "ready" && proxy.fail({ kind: "silent" }),
  });
  await expect.poll(() => landedCount(chain), { timeout: WAIT_MILLIS }).toBe(1);
  proxy.fail(null);

  expect((await submission).block).toBeLessThan(chain.head.number);
  expect(await landedCount(chain)).toBe(1);
});

test("an extrinsic that could not be handed over by its deadline is late, and never lands afterwards", async () => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const client = await clientOn([proxy.url], { requestDeadlineMillis: 500 });
  const deadlineBlock = client.head().number + 12;
  const submission = client.submit(COMMITMENT, {
    ...within(12, client),
    deadlineBlock,
    onState: (state) => state === "signed" && proxy.fail({ kind: "one_way", lost: "requests" }),
  });
  const outcome = expect(submission).rejects.toMatchObject({ code: "CHAIN_EXTRINSIC_DEADLINE" });
  await expect.poll(() => chain.head.number, { timeout: WAIT_MILLIS }).toBeGreaterThan(deadlineBlock);
  proxy.fail(null);

  await outcome;
  expect(await landedCount(chain)).toBe(0);
});

test("an extrinsic is of unknown fate when finality stands still", async () => {
  const chain = await startChain({ manual: true });
  const client = await clientOn([chain.url], { finalityStallMillis: 300 });
  await expect(client.submit(COMMITMENT, within(50, client))).rejects.toMatchObject({
    code: "CHAIN_FINALITY_STALLED",
  });
});

test("two processes with one hotkey both land, at different nonces", async () => {
  const chain = await startChain();
  const clients = [await clientOn([chain.url]), await clientOn([chain.url])];
  const receipts = await Promise.all(clients.map((client) => client.submit(COMMITMENT, within(100, client))));

  expect(new Set(receipts.map(({ hash }) => hash)).size).toBe(2);
  expect(await landedCount(chain)).toBe(2);
});

test("state that a node has pruned is an error, never the head's state", async () => {
  const chain = await startChain({ manual: true, pruneAfterBlocks: 4 });
  const client = await clientOn([chain.url]);
  const { hash } = chain.head;
  expect((await client.snapshot(2, hash)).block).toBe(1);
  chain.buildUntil(10);

  await expect(client.snapshot(2, hash)).rejects.toMatchObject({ code: "CHAIN_STATE_DISCARDED" });
  await expect(client.weights(2, 0, hash)).rejects.toMatchObject({ code: "CHAIN_STATE_DISCARDED" });
});

test("whatever is committed is read, and what is no plain bytes has none", async () => {
  const chain = await startChain({ manual: true });
  const client = await clientOn([chain.url]);
  const addresses = await Promise.all(["//a", "//b", "//c", "//d", "//e"].map((uri) => loadHotkey({ uri })));
  const fields = [
    [{ BigRaw: `0x${"ff".repeat(300)}` }],
    [{ Sha256: `0x${"11".repeat(32)}` }],
    [{ TimelockEncrypted: { encrypted: "0x010203", revealRound: 9 } }],
    [],
    ["ResetBondsFlag", { Raw1: "0x05" }],
  ];
  for (const [index, { address }] of addresses.entries()) {
    const info = { fields: fields[index] };
    chain.writeStorage("Commitments", "CommitmentOf", [2, address], { deposit: 0, block: 9, info });
  }
  const { hash } = chain.buildBlock();

  const commitments = await client.commitments(2, hash);
  const lengths = addresses.map(({ address }) => commitments.find(({ hotkey }) => hotkey === address)?.bytes.length);
  expect(lengths).toEqual([300, 0, 0, 0, 0]);
  expect(commitments.map(({ hotkey }) => hotkey)).toEqual([...commitments.map(({ hotkey }) => hotkey)].sort());
});

test("a node of another chain is not used", async () => {
  const chain = await startChain();
  const other = await startChain({ netuid: 3 });
  const proxy = await proxyTo(chain);
  const logger = createMemoryLogger();
  const client = await clientOn([proxy.url, other.url], { logger });
  const before = client.head().number;
  proxy.fail({ kind: "reset" });
  proxy.fail(null);
  await nextHead(client, (block) => block > before + 3);

  expect(logger.lines().join("\n")).toContain("[ERROR] An endpoint serves another chain than the first one");
  expect((await client.snapshot(2, client.head().hash)).netuid).toBe(2);
});

test("a start without any node ends with its caller's patience; reading then says why it cannot", async () => {
  const logger = createMemoryLogger();
  const endpoints = ["ws://127.0.0.1:9/secret-path"];
  const client = new PolkadotChainClient(
    { logger, signer: null },
    { endpoints, requestDeadlineMillis: 100, headSilenceMillis: 1000 },
  );
  atEnd(() => client.stop());
  const start = client.start(AbortSignal.timeout(700));
  await expect(start).rejects.toThrow();

  await expect(client.blockHash(1)).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED", retryable: true });
  expect(() => client.head()).toThrow("not known yet");
  const warnings = logger.lines().filter((line) => line.startsWith("[WARN]"));
  expect(warnings).toHaveLength(1);
  expect(logger.lines().join("\n")).not.toContain("secret-path");
});

test("a stopped client refuses, and ends what was under way", async () => {
  const chain = await startChain({ manual: true });
  const client = await clientOn([chain.url]);
  const ready = Promise.withResolvers<void>();
  const submission = client.submit(COMMITMENT, {
    ...within(50, client),
    onState: (state) => state === "ready" && ready.resolve(),
  });
  const outcome = expect(submission).rejects.toMatchObject({ code: "CHAIN_NOT_STARTED" });
  await ready.promise;
  await client.stop();

  await outcome;
  await expect(client.blockHash(1)).rejects.toMatchObject({ code: "CHAIN_NOT_STARTED" });
});

test("a listener that fails does not keep others from the new block", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger });
  client.onHead(() => {
    throw new Error("a listener's bug");
  });
  await nextHead(client, () => true);
  expect(logger.lines().join("\n")).toContain("A listener to new blocks failed");
});
