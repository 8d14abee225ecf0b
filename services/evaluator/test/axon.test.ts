import { loadHotkey } from "@assay/chain/hotkey";
import type { Axon } from "@assay/core/round/snapshot";
import { type DevChain, type DevChainOptions, startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { AxonDuty } from "../src/axon/axon-duty.ts";
import { CycleRunner } from "../src/cycle/cycle-runner.ts";
import { createEvaluatorMetrics } from "../src/metrics.ts";
import { build, openHost, VALIDATOR } from "./chain-hosts.ts";
import { startCycle } from "./cycle-process.ts";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { metric, NETUID, openStage } from "./stage.ts";
import type { WatchedSigner } from "./watched-signer.ts";

useRedis();

const SUBNET = "SubtensorModule";
const OURS = { ip: "203.0.113.7", port: 8091 };
const { address: hotkey } = await loadHotkey({ uri: VALIDATOR });

async function startChain(options: Partial<DevChainOptions> = {}): Promise<DevChain> {
  const neurons = [{ hotkey, stakeRao: 10n ** 12n, permit: true }];
  const chain = await startDevChain({ netuid: NETUID, neurons, manual: true, ...options });
  onTestFinished(() => chain.close());
  return chain;
}

/** Runs the duty on every block of a host's chain, as the service does. */
async function serve(
  { client, gate }: Pick<WatchedSigner, "client"> & { readonly gate: { readonly isOpen: boolean } },
  axon: Axon | null,
) {
  const logger = createMemoryLogger("evaluator");
  const registry = new Registry();
  const metrics = createEvaluatorMetrics(registry);
  const duty = new AxonDuty({ chain: client, maySign: () => gate.isOpen, metrics, logger }, { netuid: NETUID, axon });
  const runner = new CycleRunner({ chain: client, duties: [duty], metrics, logger });
  await runner.start();
  onTestFinished(() => runner.stop());
  return { logger, registry };
}

/** What the chain's storage holds for the validator at its newest block. */
function stored(chain: DevChain) {
  return chain.readStorage(SUBNET, "Axons", [NETUID, hotkey]) as Readonly<
    Record<"ip" | "port" | "block", number>
  > | null;
}

function nonce(chain: DevChain): unknown {
  return (chain.readStorage("System", "Account", [hotkey]) as { readonly nonce: number }).nonce;
}

async function served(chain: DevChain, host: WatchedSigner, calls: number, registry: Registry): Promise<void> {
  await eventually(async () => {
    await build(chain, 1, [host]);
    expect(await metric({ registry }, "evaluator_axon_calls_total", { result: "served" })).toBe(calls);
  });
}

test.each([
  ["203.0.113.7", { ip: 3_405_803_783, ipType: 4 }],
  ["2001:db8::7", { ip: "0x20010db8000000000000000000000007", ipType: 6 }],
])("%s is put on chain once, read back, and left alone while it is there", async (ip, written) => {
  const chain = await startChain();
  const host = await openHost(chain, 2);
  const { logger, registry } = await serve(host, { ip, port: 8091 });
  await served(chain, host, 1, registry);
  await build(chain, 30, [host]);
  expect(stored(chain)).toMatchObject({ ...written, port: 8091, version: 1, protocol: 4 });
  expect(logger.lines()).toEqual([
    expect.stringMatching(new RegExp(`^\\[INFO\\] Served axon \\| ip: ${ip} \\| port: 8091 \\| block: \\d+$`)),
  ]);
  expect(nonce(chain)).toBe(1);
  expect(host.gate.state).toBe("open");
});

test("without an address nothing is signed, which is said once", async () => {
  const chain = await startChain();
  const host = await openHost(chain, 2);
  const { logger } = await serve(host, null);
  await build(chain, 20, [host]);
  expect(logger.lines()).toEqual([
    "[INFO] No axon is served: peers and miners do not find this validator's server on chain",
  ]);
  expect([nonce(chain), stored(chain)]).toEqual([0, null]);
});

test("nothing is signed while the key is watched, and without a slot; it follows at once when both are over", async () => {
  const chain = await startChain();
  chain.deregister(hotkey);
  chain.buildBlock();
  const host = await openHost(chain, 8);
  const { logger, registry } = await serve(host, OURS);
  await build(chain, 4, [host]);
  expect(host.gate.state).toBe("watching");
  await build(chain, 8, [host]);
  expect([host.gate.state, nonce(chain)]).toEqual(["open", 0]);
  chain.register({ hotkey, stakeRao: 10n ** 12n, permit: true });
  await served(chain, host, 1, registry);
  expect(stored(chain)).toMatchObject({ ip: 3_405_803_783, port: 8091 });
  expect(logger.lines()).toHaveLength(1);
});

test("an axon that a new registration removed, and one that reads differently, are mended", async () => {
  const chain = await startChain({ hyperparameters: { servingRateLimit: 0 } });
  const host = await openHost(chain, 2);
  const { registry } = await serve(host, OURS);
  await served(chain, host, 1, registry);
  chain.deregister(hotkey);
  await build(chain, 1, [host]);
  expect(stored(chain)).toBe(null);
  chain.register({ hotkey, stakeRao: 10n ** 12n, permit: true });
  await served(chain, host, 2, registry);
  chain.writeStorage(SUBNET, "Axons", [NETUID, hotkey], { ...stored(chain), port: 1 });
  await build(chain, 1, [host]);
  expect(stored(chain)).toMatchObject({ port: 1 });
  await served(chain, host, 3, registry);
  expect(stored(chain)).toMatchObject({ ip: 3_405_803_783, port: 8091 });
});

test.each([
  ["the pool", true],
  ["the block", false],
])("the rate limit is waited out when %s refuses, and said once", async (_where, poolChecks) => {
  const chain = await startChain({ poolChecks, hyperparameters: { servingRateLimit: 40 } });
  const other = { block: 2, version: 1, ip: 1, port: 80, ipType: 4, protocol: 4, placeholder1: 0, placeholder2: 0 };
  chain.writeStorage(SUBNET, "Axons", [NETUID, hotkey], other);
  chain.buildBlock();
  const host = await openHost(chain, 2);
  const { logger, registry } = await serve(host, OURS);
  await served(chain, host, 1, registry);
  const { block = 0 } = stored(chain) ?? {};
  expect(block).toBeGreaterThanOrEqual(42);
  expect(block).toBeLessThan(42 + 15);
  expect(logger.lines()).toEqual([
    expect.stringMatching(
      /^\[INFO\] Axon waits for the chain's rate limit \| ip: 203\.0\.113\.7 \| port: 8091 \| block: \d+$/,
    ),
    `[INFO] Served axon | ip: 203.0.113.7 | port: 8091 | block: ${block}`,
  ]);
  const refused = await metric({ registry }, "evaluator_axon_calls_total", { result: "rate_limited" });
  expect(refused).toBeGreaterThanOrEqual(2);
  expect(refused).toBeLessThanOrEqual(5);
});

test("one that a killed process left in a block is not sent again before it is final", async () => {
  const chain = await startChain({ finalityLag: 12 });
  const host = await openHost(chain, 2);
  await build(chain, 16, [host]);
  expect(host.gate.state).toBe("open");
  const ours = { block: 17, version: 1, ip: 3_405_803_783, port: 8091, ipType: 4, protocol: 4 };
  chain.writeStorage(SUBNET, "Axons", [NETUID, hotkey], { ...ours, placeholder1: 0, placeholder2: 0 });
  await build(chain, 1, [host]);
  const { logger } = await serve(host, OURS);
  await build(chain, 30, [host]);
  expect([nonce(chain), logger.lines()]).toEqual([0, []]);
});

test("our own call is known to the watch; an axon served by another process locks the key and is left", async () => {
  const chain = await startChain({ hyperparameters: { servingRateLimit: 0 } });
  const [first, second] = [await openHost(chain, 2), await openHost(chain, 2)] as const;
  const { registry } = await serve(first, OURS);
  await served(chain, first, 1, registry);
  await build(chain, 4, [first]);
  expect([first.gate.state, nonce(chain)]).toEqual(["open", 1]);

  await second.look();
  await build(chain, 4, [first, second]);
  await serve(second, { ip: "198.51.100.9", port: 8091 });
  await eventually(async () => {
    await build(chain, 1, [first, second]);
    expect(first.gate.state).toBe("locked");
  });
  await build(chain, 25, [first, second]);
  expect([stored(chain)?.ip, nonce(chain)]).toEqual([3_325_256_713, 2]);
  expect(second.gate.state).toBe("open");
});

test("one that is another in the very block of our call is an error of ours, and mended", async () => {
  const { chain, client } = await openStage({ miners: 0 });
  const { logger, registry } = await serve({ client, gate: { isOpen: true } }, OURS);
  await eventually(() => expect(chain.calls).toBe(1));
  const call = { kind: "serve_axon", netuid: NETUID, ip: "198.51.100.9", port: 80 } as const;
  chain.enqueue({ hash: "0x01", signer: hotkey, call, deadlineBlock: 99, onIncluded: () => {} });
  chain.buildUntil(4);
  await eventually(() => expect(logger.lines()).toHaveLength(1));
  expect(logger.lines()[0]).toMatch(/ERROR.*axon.*EVALUATOR_AXON_NOT_VERIFIED.*198\.51\.100\.9/s);

  await eventually(() => expect(chain.calls).toBe(3));
  chain.buildUntil(7);
  await eventually(() =>
    expect(logger.lines()[1]).toMatch(/Served axon \| ip: 203\.0\.113\.7 \| port: 8091 \| block: 5$/),
  );
  expect(await metric({ registry }, "evaluator_axon_calls_total", { result: "served" })).toBe(1);
});

test("the cycle role serves what is configured", async () => {
  const stage = await openStage({ model: true });
  await stage.ledger.stop();
  const chain = await startChain({ manual: false, blockMillis: 150 });
  const env = { AXON_EXTERNAL_IP: "203.0.113.7", SERVER_PORT: "8091" };
  const cycle = await startCycle(stage, chain, await openQueues(), env);
  await cycle.line(/\[INFO\] Served axon \| ip: 203\.0\.113\.7 \| port: 8091 \| block: \d+/);
  expect(stored(chain)).toMatchObject({ ip: 3_405_803_783, port: 8091 });
  expect(await cycle.stop()).toBe(0);
});
