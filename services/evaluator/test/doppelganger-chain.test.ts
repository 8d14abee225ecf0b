import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { SigningGuard } from "@assay/chain/signing-guard";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "./queues.ts";
import { startProcess } from "./service-process.ts";
import { NETUID } from "./stage.ts";
import { openOtherLedger, openSigner, type WatchedSigner } from "./watched-signer.ts";

const VALIDATOR = "//Validator//0";
const BLOCK_MILLIS = 150;

async function startChain(manual: boolean): Promise<DevChain> {
  const { address: hotkey } = await loadHotkey({ uri: VALIDATOR });
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: [{ hotkey, stakeRao: 10n ** 12n, permit: true }],
    hyperparameters: { maxSpace: 1_000_000 },
    blockMillis: BLOCK_MILLIS,
    manual,
  });
  onTestFinished(() => chain.close());
  return chain;
}

/** A client of its own with the validator's key, as another host has it: nothing is shared but the chain. */
async function openHost(chain: DevChain, blocks: number): Promise<WatchedSigner> {
  const openClient = async (guard: SigningGuard) => {
    const client = new PolkadotChainClient(
      { logger: createMemoryLogger(), signer: await loadHotkey({ uri: VALIDATOR }), guard },
      { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 },
    );
    await client.start(AbortSignal.timeout(10_000));
    return client;
  };
  return await openSigner({ ledger: await openOtherLedger(), blocks, openClient });
}

/** Builds blocks, has every host look at each, and waits until it has seen it as final. */
async function build(chain: DevChain, count: number, hosts: readonly WatchedSigner[]): Promise<void> {
  for (let built = 0; built < count; built += 1) {
    chain.buildBlock();
    for (const host of hosts) {
      await eventually(() => expect(host.client.finalizedHead().number).toBe(chain.finalized.number));
      await host.look();
    }
  }
}

test("of two clients with one key the one that comes second signs nothing, and the first goes on", async () => {
  const chain = await startChain(true);
  const first = await openHost(chain, 2);
  await first.look();
  await build(chain, 4, [first]);
  expect(first.gate.state).toBe("open");

  const second = await openHost(chain, 6);
  await second.look();
  const refused = expect(second.commit(2, { deadlineBlock: chain.head.number + 8 })).rejects.toMatchObject({
    code: "CHAIN_SIGNING_LOCKED",
  });
  const committing = first.commit(1);
  await eventually(async () => {
    await build(chain, 1, [first, second]);
    expect(second.gate.state).toBe("locked");
  });
  await committing;
  await build(chain, 9, [first, second]);
  await refused;
  expect(first.gate.state).toBe("open");
  const { address } = await loadHotkey({ uri: VALIDATOR });
  expect(chain.readStorage("System", "Account", [address])).toMatchObject({ nonce: 1 });
});

test("two that began at the same moment find each other out once both have signed", async () => {
  const chain = await startChain(true);
  const hosts = [await openHost(chain, 2), await openHost(chain, 2)] as const;
  for (const host of hosts) await host.look();
  await build(chain, 4, hosts);
  expect(hosts.map(({ gate }) => gate.state)).toEqual(["open", "open"]);
  // Both take the same nonce; the second one's extrinsic is refused or replaced, and signed anew.
  const committing = Promise.allSettled(hosts.map((host, index) => host.commit(index)));
  await eventually(async () => {
    await build(chain, 1, hosts);
    expect(hosts.some(({ gate }) => gate.state === "locked")).toBe(true);
  });
  for (let more = 0; more < 45; more += 1) await build(chain, 1, hosts);
  await committing;
});

test("a process that is killed again and again while it signs is never taken for another", async () => {
  const chain = await startChain(false);
  const folder = await mkdtemp(join(tmpdir(), "assay-killed-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const start = () =>
    startProcess({
      entry: "services/evaluator/test/fixtures/commit-forever.ts",
      args: [chain.url, join(folder, "ledger.sqlite"), "3"],
      cwd: folder,
    });
  for (const moment of [/^signed 0/, /^in_block 0/, /^ready 1/]) {
    const running = start();
    await running.line(/^gate open/);
    await running.line(moment);
    await running.stop();
    expect(running.lines).not.toContain("gate locked");
  }
  const last = start();
  await last.line(/^finalized 1/);
  expect(last.lines).toContain("gate open");
  expect(last.lines).not.toContain("gate locked");
  await last.stop();
});
