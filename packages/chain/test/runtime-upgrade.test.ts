import type { ChainCall } from "@assay/chain/chain-client";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, expect, test } from "vitest";
import { openClient } from "./dev-chain-harness.ts";
import { atEnd, COMMITMENT, clientOn, endAll, landedCount, startChain, WAIT_MILLIS, within } from "./test-chain.ts";

const WEIGHTS: ChainCall = { kind: "set_weights", netuid: 2, uids: [0], weights: [1], versionKey: 0n };

afterEach(endAll);

test("a runtime upgrade is noticed, and calls are signed for the new version", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger });
  await client.submit(COMMITMENT, within(100, client));
  chain.upgradeRuntime({ specVersion: 2 });
  await expect.poll(() => logger.lines().at(-1), { timeout: WAIT_MILLIS }).toContain("spec_version: 2");
  expect(logger.lines().at(-2)).toContain(
    "[INFO] Reconnecting to the chain | endpoint: ".concat(
      new URL(chain.url).host,
      " | reason: The runtime was upgraded from version 1 to 2",
    ),
  );

  await client.submit(COMMITMENT, within(100, client));
  expect(await landedCount(chain)).toBe(2);
});

test("a call that was under way when the runtime changed is signed anew, and lands once before its deadline", async () => {
  const chain = await startChain();
  const client = await clientOn([chain.url]);
  const signed: string[] = [];
  const { blockHash } = await client.submit(COMMITMENT, {
    ...within(100, client),
    onState: (state, { extrinsicHash }) => {
      if (state !== "signed") return;
      signed.push(extrinsicHash);
      if (signed.length === 1) chain.upgradeRuntime({ specVersion: 2 });
    },
  });

  expect(signed.length).toBeGreaterThan(1);
  expect(await landedCount(chain)).toBe(1);
  expect(await client.commitments(2, blockHash)).toHaveLength(1);
});

test("blocks from before an upgrade are read with their own runtime", async () => {
  const chain = await startChain({ manual: true });
  const { hash } = chain.head;
  chain.upgradeRuntime({ specVersion: 2 });
  chain.buildUntil(5);
  const client = await clientOn([chain.url]);
  expect((await client.snapshot(2, hash)).block).toBe(1);
  expect((await client.snapshot(2, chain.head.hash)).block).toBe(5);
});

test("a runtime that lacks a call is found at start, and is enough for a client that only reads", async () => {
  const chain = await startChain({
    runtime: { withoutCalls: ["SubtensorModule.set_weights", "Commitments.set_commitment"] },
  });
  await expect(clientOn([chain.url])).rejects.toMatchObject({
    code: "CHAIN_INTERFACE_MISMATCH",
    retryable: false,
    message: "Not supported by this runtime",
    fields: { specVersion: 1, missing: "subtensorModule.setWeights, commitments.setCommitment" },
  });
  const reader = await openClient(null, [chain.url]);
  atEnd(() => reader.stop());
  expect((await reader.snapshot(2, reader.head().hash)).netuid).toBe(2);
});

test("an upgrade that takes a call away is an operator's matter, and the call fails for that reason", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger });
  chain.upgradeRuntime({ specVersion: 2, withoutCalls: ["SubtensorModule.set_weights"] });
  await expect.poll(() => logger.lines().at(-1), { timeout: WAIT_MILLIS }).toContain("not supported");
  expect(logger.records.at(-1)).toMatchObject({ level: "error", message: "The chain's runtime is not supported" });

  await expect(client.submit(WEIGHTS, within(100, client))).rejects.toMatchObject({ code: "CHAIN_INTERFACE_MISMATCH" });
  await client.submit(COMMITMENT, within(100, client));
});
