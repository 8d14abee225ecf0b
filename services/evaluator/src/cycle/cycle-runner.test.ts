import { setImmediate } from "node:timers/promises";
import { AppError } from "@assay/core/app-error";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { createEvaluatorMetrics } from "../metrics.ts";
import { CycleRunner } from "./cycle-runner.ts";
import type { Duty } from "./duty.ts";

/** Heads by hand, and a duty that waits until it is let go. */
function stage(run: Duty["run"]) {
  let number = 1;
  const listeners = new Set<(head: { number: number; hash: string }) => void>();
  const chain = {
    head: () => ({ number, hash: `0x${number}` }),
    onHead: (listener: (head: { number: number; hash: string }) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const logger = createMemoryLogger();
  const metrics = createEvaluatorMetrics(new Registry());
  const runner = new CycleRunner({ chain, duties: [{ name: "test", run }], metrics, logger });
  const advance = () => {
    number += 1;
    for (const listener of listeners) listener(chain.head());
  };
  return { runner, advance, logger, metrics };
}

describe("a duty's lane", () => {
  test("never runs a duty twice at once, and once more for all blocks that came meanwhile", async () => {
    const seen: number[] = [];
    const gate = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    const { runner, advance } = stage(async (head) => {
      seen.push(head.number);
      if (seen.length === 1) await gate.promise;
      else done.resolve();
    });
    await runner.start();
    advance();
    advance();
    expect(seen).toEqual([1]);
    gate.resolve();
    await done.promise;
    await runner.stop();
    expect(seen).toEqual([1, 3]);
  });

  test("says once that a duty fails, tries again at each block, and says that it works again", async () => {
    let runs = 0;
    const rounds = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { runner, advance, logger } = stage(async () => {
      rounds[runs]?.resolve();
      runs += 1;
      if (runs < 3) throw new AppError("TEST_FAILURE", "The chain is away", { retryable: true });
    });
    await runner.start();
    await rounds[0]?.promise;
    advance();
    await rounds[1]?.promise;
    advance();
    await rounds[2]?.promise;
    await runner.stop();
    expect(logger.records.map(({ level, message }) => [level, message])).toEqual([
      ["error", "Duty failed; it is tried again at each block"],
      ["info", "Duty works again"],
    ]);
  });

  test("stopping aborts a running duty and waits for it", async () => {
    const { runner } = stage(
      async (_head, signal) =>
        await new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    await runner.start();
    await expect(runner.stop()).resolves.toBeUndefined();
  });

  test("failures that take turns are each said once, and counted each time", async () => {
    const codes = ["CHAIN_DISCONNECTED", "CHAIN_REQUEST_DEADLINE"];
    let runs = 0;
    let ended = Promise.withResolvers<void>();
    const { runner, advance, logger, metrics } = stage(async () => {
      queueMicrotask(() => ended.resolve());
      throw new AppError(codes[runs++ % 2] ?? "", "The chain is away", { retryable: true });
    });
    await runner.start();
    for (let block = 0; block < 5; block += 1) {
      await ended.promise;
      await setImmediate();
      ended = Promise.withResolvers<void>();
      advance();
    }
    await ended.promise;
    await runner.stop();
    expect(logger.records).toHaveLength(2);
    const { values } = await metrics.dutyFailures.get();
    expect(values.map(({ labels, value }) => [labels.code, value])).toEqual([
      ["CHAIN_DISCONNECTED", 3],
      ["CHAIN_REQUEST_DEADLINE", 3],
    ]);
  });

  test("a failure of the operating system is one that may heal, not a bug", async () => {
    const ended = Promise.withResolvers<void>();
    const { runner, logger, metrics } = stage(async () => {
      queueMicrotask(() => ended.resolve());
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC", syscall: "write" });
    });
    await runner.start();
    await ended.promise;
    await runner.stop();
    expect(logger.lines()[0]).toMatch(/^\[ERROR\] Duty failed; it is tried again at each block \| duty: test/);
    expect((await metrics.dutyFailures.get()).values).toMatchObject([{ labels: { code: "ENOSPC" }, value: 1 }]);
  });
});
