import type { ConnectionObserver } from "@assay/chain/connection-observer";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import type { Fault } from "@assay/testing/network/fault-proxy";
import { afterEach, expect, test } from "vitest";
import { openRpcGate, type Tamper } from "./rpc-gate.ts";
import { atEnd, clientOn, endAll, nextHead, proxyTo, startChain, WAIT_MILLIS } from "./test-chain.ts";

/** Far below those of production, in the same proportions. */
const LIMITS = { requestDeadlineMillis: 700, headSilenceMillis: 2_100, failbackMillis: 300 } as const;
/** Production recovers within 60 s at deadlines of 15 s, which is four of them; a busy machine gets twice that. */
const RECOVERY_MILLIS = 8 * LIMITS.requestDeadlineMillis;

afterEach(endAll);

/** Keeps everything that an observer hears, in words. */
function recorder(): ConnectionObserver & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    connected: (role, endpoint) => heard.push(`${role} ${endpoint ?? "-"}`),
    ended: (role, cause) => heard.push(`${role} ended: ${cause}`),
  };
}

async function gateBefore(url: string, tamper: Tamper): Promise<string> {
  const gate = await openRpcGate(url, tamper);
  atEnd(() => gate.close());
  return gate.url;
}

const host = (url: string) => new URL(url).host;

const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  ["silent", { kind: "silent" }],
  ["deaf", { kind: "one_way", lost: "requests" }],
  ["mute", { kind: "one_way", lost: "answers" }],
  ["reset", { kind: "reset" }],
  ["slow", { kind: "slow", bytesPerSecond: 20 }],
  ["cut", { kind: "cut", afterBytes: 100 }],
];

test.each(FAULTS)("a %s endpoint is left for the next, and used again when it is well", async (_name, fault) => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const observer = recorder();
  const client = await clientOn([proxy.url, chain.url], { ...LIMITS, observer });
  proxy.fail(fault);
  const failedAt = performance.now();
  await expect.poll(() => observer.heard, { timeout: WAIT_MILLIS }).toContain(`light ${host(chain.url)}`);
  const before = client.head().number;
  await nextHead(client, (block) => block > before);
  expect(performance.now() - failedAt).toBeLessThan(RECOVERY_MILLIS);
  expect((await client.snapshot(2, client.head().hash)).netuid).toBe(2);

  proxy.fail(null);
  await expect
    .poll(() => observer.heard.slice(-2), { timeout: WAIT_MILLIS })
    .toEqual(["light ended: failback", `light ${host(proxy.url)}`]);
  const back = client.head().number;
  await nextHead(client, (block) => block > back + 2);
});

test.each(FAULTS)("the only endpoint, %s for a while, is used again without help", async (_name, fault) => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const observer = recorder();
  const client = await clientOn([proxy.url], { ...LIMITS, observer });
  proxy.fail(fault);
  await expect.poll(() => observer.heard, { timeout: WAIT_MILLIS }).toContain("light -");
  proxy.fail(null);
  const wellAt = performance.now();
  const before = client.head().number;
  await nextHead(client, (block) => block > before);
  expect(performance.now() - wellAt).toBeLessThan(RECOVERY_MILLIS);
});

test("reads that a lost connection interrupts are answered by the next endpoint", async () => {
  const chain = await startChain();
  const proxy = await proxyTo(chain);
  const client = await clientOn([proxy.url, chain.url], LIMITS);
  const { hash, number } = client.head();
  proxy.fail({ kind: "silent" });
  expect((await client.snapshot(2, hash)).block).toBe(number);
});

test("an endpoint that is catching up is passed over, and left when it falls behind", async () => {
  const chain = await startChain();
  let isSyncing = true;
  const syncing = await gateBefore(chain.url, ({ id, method }, send) => {
    if (method !== "system_health" || !isSyncing) return false;
    send({ id, result: { peers: 3, isSyncing: true, shouldHavePeers: true } });
    return true;
  });
  const observer = recorder();
  const logger = createMemoryLogger();
  await clientOn([syncing, chain.url], { ...LIMITS, observer, logger });
  expect(observer.heard).toEqual(["light ended: syncing", `light ${host(chain.url)}`]);
  isSyncing = false;
  await expect.poll(() => observer.heard, { timeout: WAIT_MILLIS }).toContain(`light ${host(syncing)}`);
  isSyncing = true;
  await expect
    .poll(() => observer.heard.slice(-3), { timeout: WAIT_MILLIS })
    .toEqual(["light -", "light ended: syncing", `light ${host(chain.url)}`]);
  expect(logger.lines()[0]).toBe(
    `[WARN] Could not connect to the chain | endpoint: ${host(syncing)} | reason: The endpoint is catching up with the chain`,
  );
});

test("a preferred endpoint that is behind does not take over", async () => {
  const chain = await startChain({ manual: true });
  chain.buildUntil(10);
  let block = 7;
  const asked: string[] = [];
  const late = await gateBefore(chain.url, ({ id, method, params }, send) => {
    if (method !== "chain_getHeader" || params.length > 0) return false;
    asked.push(method);
    send({ id, result: { number: `0x${block.toString(16)}` } });
    return true;
  });
  const proxy = await proxyTo({ ...chain, url: late });
  const observer = recorder();
  proxy.fail({ kind: "reset" });
  await clientOn([proxy.url, chain.url], { ...LIMITS, headSilenceMillis: 60_000, observer });
  proxy.fail(null);
  await expect.poll(() => asked.length, { timeout: WAIT_MILLIS }).toBeGreaterThan(1);
  expect(observer.heard.at(-1)).toBe(`light ${host(chain.url)}`);
  block = 8;
  await expect.poll(() => observer.heard, { timeout: WAIT_MILLIS }).toContain(`light ${host(proxy.url)}`);
});

test("an endpoint that stays away is complained about once", async () => {
  const chain = await startChain();
  const logger = createMemoryLogger();
  const observer = recorder();
  await clientOn(["ws://127.0.0.1:9/key", chain.url], { ...LIMITS, failbackMillis: 20, logger, observer });
  const refused = () => observer.heard.filter((each) => each === "light ended: refused").length;
  await expect.poll(refused, { timeout: WAIT_MILLIS }).toBeGreaterThan(2);
  expect(logger.lines().filter((line) => /^\[(WARN|INFO)\]/.test(line))).toEqual([
    "[WARN] Could not connect to the chain | endpoint: 127.0.0.1:9 | reason: No connection for connection",
    expect.stringMatching(/^\[INFO\] Connected to the chain \| endpoint: /),
  ]);
});

test("a client that is still connecting to a silent endpoint is stopped at once", async () => {
  const chain = await startChain({ manual: true });
  const proxy = await proxyTo(chain);
  proxy.fail({ kind: "silent" });
  const client = new PolkadotChainClient(
    { logger: createMemoryLogger(), signer: null },
    { endpoints: [proxy.url], requestDeadlineMillis: 600_000, headSilenceMillis: 600_000 },
  );
  const start = expect(client.start(AbortSignal.timeout(600_000))).rejects.toMatchObject({ code: "CHAIN_NOT_STARTED" });
  await expect.poll(() => proxy.lostBytes, { timeout: WAIT_MILLIS }).toBeGreaterThan(0);
  await client.stop();
  await start;
});
