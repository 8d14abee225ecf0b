import type { ChainHead } from "@assay/chain/chain-client";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { HeadPulse } from "./head-pulse.ts";
import { Readiness } from "./readiness.ts";

/** A chain whose blocks come by hand. */
function createChain() {
  const listeners = new Set<(head: ChainHead) => void>();
  return {
    onHead: (listener: (head: ChainHead) => void) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    buildBlock: () => {
      for (const listener of listeners) listener({ number: 2, hash: "0x2" });
    },
    listeners,
  };
}

test("a process is ready between start and stop while Redis answers", async () => {
  const redis = { ready: true };
  const readiness = new Readiness({ redis });
  expect(readiness.report()).toEqual({ ok: false, reason: "Starting or stopping" });
  await readiness.start();
  expect(readiness.report()).toEqual({ ok: true });
  redis.ready = false;
  expect(readiness.report()).toEqual({ ok: false, reason: "Redis does not answer" });
  redis.ready = true;
  await readiness.stop();
  expect(readiness.report()).toEqual({ ok: false, reason: "Starting or stopping" });
});

test("a process that follows the chain is not ready once the chain is silent for too long", async () => {
  const clock = new FakeClock();
  const chain = createChain();
  let marks = 0;
  const metrics = { chainHeadAge: { mark: () => (marks += 1) } };
  const pulse = new HeadPulse({ chain, clock, metrics }, { silenceMillis: 60_000 });
  const readiness = new Readiness({ redis: { ready: true }, chain: pulse });
  await pulse.start();
  await readiness.start();
  await clock.advance(60_000);
  expect(readiness.report()).toEqual({ ok: true });
  await clock.advance(5_500);
  expect(readiness.report()).toEqual({ ok: false, reason: "The chain has had no new block for 65 s" });
  chain.buildBlock();
  expect(readiness.report()).toEqual({ ok: true });
  expect(marks).toBe(2);
  await pulse.stop();
  expect(chain.listeners.size).toBe(0);
});
