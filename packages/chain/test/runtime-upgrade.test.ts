import type { ChainCall } from "@assay/chain/chain-client";
import { TODAYS_EDITION } from "@assay/localnet/chain/metadata/runtime-edition";
import { SPEAKING_UNKNOWN_EXTENSION } from "@assay/localnet/chain/metadata/signing-extensions";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, expect, test } from "vitest";
import { openClient } from "./dev-chain-harness.ts";
import { atEnd, COMMITMENT, clientOn, endAll, landedCount, startChain, WAIT_MILLIS, within } from "./test-chain.ts";

const WEIGHTS: ChainCall = { kind: "set_weights", netuid: 2, uids: [0], weights: [1], versionKey: 0n };

const UNKNOWN_SUBNET: ChainCall = { ...WEIGHTS, netuid: 77 };
const HIDDEN = { hyperparameters: { commitRevealWeightsEnabled: true } };
const WITHOUT_COMMITS = [
  "SubtensorModule.commit_weights",
  "SubtensorModule.reveal_weights",
  "SubtensorModule.commit_timelocked_weights",
];

/** Today's runtime with every error at another index, and one under another name. */
const RENUMBERED = {
  ...TODAYS_EDITION,
  errorShift: 40,
  errorNames: { "SubtensorModule.SubnetNotExists": "SubNetworkDoesNotExist" },
};

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

test("after an upgrade that renames and renumbers errors, they have the same codes", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger });
  await expect(client.submit(UNKNOWN_SUBNET, within(100, client))).rejects.toMatchObject({
    code: "CHAIN_SUBNET_UNKNOWN",
    fields: { name: "SubnetNotExists" },
  });
  chain.upgradeRuntime({ specVersion: 2, edition: RENUMBERED });
  await expect.poll(() => logger.lines().at(-1), { timeout: WAIT_MILLIS }).toContain("spec_version: 2");
  await expect(client.submit(UNKNOWN_SUBNET, within(100, client))).rejects.toMatchObject({
    code: "CHAIN_SUBNET_UNKNOWN",
    fields: { name: "SubNetworkDoesNotExist" },
  });
});

test("a refusal from before an upgrade is named by the runtime of its own block", async () => {
  const chain = await startChain({ manual: true, finalityLag: 6 });
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger });
  const inBlock = Promise.withResolvers<void>();
  const submission = client.submit(UNKNOWN_SUBNET, {
    ...within(30, client),
    onState: (state) => {
      if (state === "ready") chain.buildBlock();
      if (state === "in_block") inBlock.resolve();
    },
  });
  const outcome = expect(submission).rejects.toMatchObject({
    code: "CHAIN_SUBNET_UNKNOWN",
    fields: { name: "SubnetNotExists" },
  });
  await inBlock.promise;
  chain.upgradeRuntime({ specVersion: 2, edition: RENUMBERED });
  chain.buildBlock();
  await expect.poll(() => logger.lines().at(-1), { timeout: WAIT_MILLIS }).toContain("spec_version: 2");
  chain.buildUntil(chain.head.number + 6);
  await outcome;
});

test("a runtime without any way to commit weights is found at start where the subnet hides them", async () => {
  const chain = await startChain({ ...HIDDEN, runtime: { withoutCalls: WITHOUT_COMMITS } });
  await expect(clientOn([chain.url], { netuid: 2 })).rejects.toMatchObject({
    code: "CHAIN_INTERFACE_MISMATCH",
    message: "Not supported by this runtime",
    fields: { netuid: 2, specVersion: 1, missing: expect.stringContaining("commitTimelockedWeights") },
  });
  chain.writeStorage("SubtensorModule", "CommitRevealWeightsEnabled", [2], false);
  chain.buildBlock();
  await clientOn([chain.url], { netuid: 2 });
});

test("what an upgrade took away is missed once, and found again with the next upgrade", async () => {
  const chain = await startChain(HIDDEN);
  const logger = createMemoryLogger();
  const client = await clientOn([chain.url], { logger, netuid: 2 });
  const supported = () => logger.records.filter(({ message }) => message.startsWith("The chain's runtime is"));
  chain.upgradeRuntime({ specVersion: 2, withoutCalls: WITHOUT_COMMITS });
  await expect.poll(() => supported().length, { timeout: WAIT_MILLIS }).toBe(1);
  const commit: ChainCall = { kind: "commit_weights", netuid: 2, commitHash: `0x${"ab".repeat(32)}` };
  await expect(client.submit(commit, within(100, client))).rejects.toMatchObject({ code: "CHAIN_INTERFACE_MISMATCH" });

  chain.upgradeRuntime({ specVersion: 3 });
  await expect.poll(() => supported().length, { timeout: WAIT_MILLIS }).toBe(2);
  expect(supported()).toMatchObject([
    { level: "error", message: "The chain's runtime is not supported" },
    { level: "info", message: "The chain's runtime is supported again" },
  ]);
  await client.submit(commit, within(100, client));
});

test.each([14, 15, 16] as const)(
  "an unknown extension that adds bytes is found at start in metadata V%i",
  async (newestMetadata) => {
    const extensions = [...TODAYS_EDITION.extensions, SPEAKING_UNKNOWN_EXTENSION] as const;
    const chain = await startChain({ runtime: { edition: { ...TODAYS_EDITION, newestMetadata, extensions } } });
    await expect(clientOn([chain.url])).rejects.toMatchObject({
      code: "CHAIN_INTERFACE_MISMATCH",
      fields: { missing: "a meaning of the extension SayNumberOfTomorrow" },
    });
    const reader = await openClient(null, [chain.url]);
    atEnd(() => reader.stop());
    expect((await reader.snapshot(2, reader.head().hash)).netuid).toBe(2);
  },
);
