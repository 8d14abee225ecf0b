import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { loadHotkey } from "@assay/chain/hotkey";
import { expect, test } from "vitest";
import { chainClientContract } from "../contracts/chain-client-contract.ts";
import type { ChainHarness, ChainSetup } from "../contracts/chain-client-scenario.ts";
import { hiddenWeightsContract } from "../contracts/hidden-weights-contract.ts";
import { signingGuardContract } from "../contracts/signing-guard-contract.ts";
import { FakeChain } from "./fake-chain.ts";
import { FakeChainClient } from "./fake-chain-client.ts";

const running = new AbortController().signal;

async function startHarness(setup: ChainSetup): Promise<ChainHarness> {
  const chain = new FakeChain(setup);
  const clients: FakeChainClient[] = [];
  return {
    get head() {
      return chain.head;
    },
    buildBlock: () => chain.buildBlock(),
    openClient: async (uri, guard) => {
      const hotkey = uri === null ? null : (await loadHotkey({ uri })).address;
      const client = new FakeChainClient({ chain, hotkey, guard });
      clients.push(client);
      await client.start(running);
      return client;
    },
    setRules: (rules) => chain.setHyperparameters(rules),
    setCommitRevealVersion: (version) => chain.setCommitRevealVersion(version),
    dropConnections: () => {
      for (const client of clients) {
        client.disconnect();
        queueMicrotask(() => client.connect());
      }
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.stop()));
    },
  };
}

chainClientContract("FakeChainClient", startHarness);
hiddenWeightsContract("FakeChainClient", startHarness);
signingGuardContract("FakeChainClient", startHarness);

async function startClient(): Promise<{ readonly chain: FakeChain; readonly client: FakeChainClient }> {
  const chain = new FakeChain({ netuid: 2, neurons: [{ hotkey: "validator", stakeRao: 1n, permit: true }] });
  const client = new FakeChainClient({ chain, hotkey: "validator" });
  await client.start(running);
  return { chain, client };
}

const call = { kind: "set_commitment", netuid: 2, bytes: Uint8Array.of(1) } as const;

test("a scripted refusal fails one call, and the next one lands", async () => {
  const { chain, client } = await startClient();
  chain.refuseNext(new ChainError(ChainErrorCode.RateLimited, "Too soon", { retryable: true }));
  const first = client.submit(call, { signal: running, deadlineBlock: 9 });
  const second = client.submit(call, { signal: running, deadlineBlock: 9 });
  chain.buildUntil(5);

  await expect(first).rejects.toMatchObject({ code: "CHAIN_RATE_LIMITED" });
  expect(await second).toMatchObject({ block: 2 });
});

test("a call that no block includes ends when its deadline is final", async () => {
  const { chain, client } = await startClient();
  chain.setIncluding(false);
  const submission = client.submit(call, { signal: running, deadlineBlock: 4 });
  chain.buildUntil(6);
  await expect(submission).rejects.toMatchObject({ code: "CHAIN_EXTRINSIC_DEADLINE" });
});

test("discarded state, and requests without a connection, fail as they do on a real node", async () => {
  const { chain, client } = await startClient();
  const { hash } = chain.head;
  chain.buildBlock();
  chain.discardStateBefore(2);
  await expect(client.snapshot(2, hash)).rejects.toMatchObject({ code: "CHAIN_STATE_DISCARDED" });

  client.disconnect();
  await expect(client.blockHash(1)).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED", retryable: true });
  client.connect();
  expect(await client.blockHash(1)).toBe(hash);
});

test("a slot taken over has the new hotkey and nothing of the old one", async () => {
  const { chain, client } = await startClient();
  const submission = client.submit(
    { kind: "set_weights", netuid: 2, uids: [0], weights: [1], versionKey: 0n },
    { signal: running, deadlineBlock: 9 },
  );
  chain.buildUntil(4);
  await submission;
  chain.register(0, { hotkey: "newcomer" });
  chain.buildBlock();

  const { neurons } = await client.snapshot(2, client.head().hash);
  expect(neurons[0]).toMatchObject({ hotkey: "newcomer", lastUpdate: 0, validatorPermit: false });
  expect(await client.weights(2, 0)).toEqual([]);
});
