import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { expect, onTestFinished, test } from "vitest";
import { build, openHost, VALIDATOR } from "./chain-hosts.ts";
import { eventually } from "./queues.ts";
import { startProcess } from "./service-process.ts";
import { NETUID } from "./stage.ts";

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
