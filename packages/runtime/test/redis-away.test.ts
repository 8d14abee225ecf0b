import type { DownloadJob } from "@assay/core/jobs/catalog";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import { createMemoryLogger, type MemoryLogger } from "@assay/runtime/logging/memory-logger";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { createQueue } from "@assay/runtime/queue/queues";
import { createWorker } from "@assay/runtime/queue/worker";
import { type RedisServer, startRedisServer } from "@assay/testing/redis/private-redis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const never = new AbortController().signal;
const payload: DownloadJob = { roundId: 7, uid: 3, hotkey: "5F", deadlineBlock: 100 };
const outcome: DownloadOutcome = { kind: "expired", roundId: 7, uid: 3, hotkey: "5F" };
const prefix = "assay-test";

let server: RedisServer;
let logger: MemoryLogger;
let redis: RedisConnections;

beforeEach(async () => {
  server = await startRedisServer();
  logger = createMemoryLogger();
  redis = new RedisConnections({ logger }, { url: server.url, startDeadlineMs: 200, commandDeadlineMs: 1_000 });
});
afterEach(async () => {
  await redis.stop();
  await server.stop();
});

const patient = { timeout: 15_000, interval: 20 };

function messages(): string[] {
  return logger.records.filter(({ level }) => level !== "debug").map(({ level, message }) => `${level} ${message}`);
}

test("the producer fails fast while Redis is away, works when it is back, and says each change once", async () => {
  await redis.start(never);
  const queue = createQueue("downloads", redis.producer, { prefix });
  await queue.add("download-7-3", payload);
  await server.halt();
  await vi.waitUntil(() => !redis.ready, patient);
  const begun = performance.now();
  await expect(queue.add("download-7-4", payload)).rejects.toMatchObject({
    code: "QUEUE_UNAVAILABLE",
    retryable: true,
  });
  await expect(queue.find("download-7-3")).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE" });
  expect(performance.now() - begun).toBeLessThan(1_000);
  await vi.waitUntil(() => logger.records.length > 1, patient);
  await server.start();
  await vi.waitUntil(() => redis.ready, patient);
  await queue.add("download-7-5", payload);
  await queue.close();
  expect(messages()).toEqual([
    "info Connected to Redis",
    "warn Lost the connection to Redis",
    "info Connected to Redis",
  ]);
});

test("a process starts without Redis, fails fast, and heals when it comes", async () => {
  await server.halt();
  await redis.start(never);
  const queue = createQueue("downloads", redis.producer, { prefix });
  await expect(queue.add("download-7-3", payload)).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE" });
  const { promise: done, resolve } = Promise.withResolvers<string>();
  const worker = createWorker(
    "downloads",
    redis.worker,
    async ({ id }) => {
      resolve(id);
      return outcome;
    },
    { concurrency: 1, prefix, logger: createMemoryLogger() },
  );
  await worker.start(never);
  await server.start();
  await vi.waitUntil(() => redis.ready, patient);
  await queue.add("download-7-3", payload);
  expect(await done).toBe("download-7-3");
  await worker.stop();
  expect(messages()).toEqual(["warn Redis is not reachable", "warn Started without Redis", "info Connected to Redis"]);
});

test("a worker takes jobs again after Redis was away", async () => {
  await redis.start(never);
  const queue = createQueue("downloads", redis.producer, { prefix });
  const { promise: done, resolve } = Promise.withResolvers<string>();
  const workerLogger = createMemoryLogger();
  const worker = createWorker(
    "downloads",
    redis.worker,
    async ({ id }) => {
      resolve(id);
      return outcome;
    },
    { concurrency: 1, prefix, logger: workerLogger },
  );
  await worker.start(never);
  await server.halt();
  await vi.waitUntil(() => !redis.ready, patient);
  await server.start();
  await vi.waitUntil(() => redis.ready, patient);
  await queue.add("download-7-3", payload);
  expect(await done).toBe("download-7-3");
  await worker.stop();
  expect(workerLogger.lines()).toEqual([]);
});

test("a worker stops in time while Redis is away", async () => {
  await redis.start(never);
  const worker = createWorker("downloads", redis.worker, async () => outcome, {
    concurrency: 1,
    prefix,
    logger: createMemoryLogger(),
  });
  await worker.start(never);
  await server.halt();
  await vi.waitUntil(() => !redis.ready, patient);
  const begun = performance.now();
  await worker.stop();
  expect(performance.now() - begun).toBeLessThan(8_000);
});

test("what the connected workers take at once is known from their connections, also after these were lost", async () => {
  await redis.start(never);
  const queue = createQueue("downloads", redis.producer, { prefix });
  expect(await queue.concurrency()).toBe(0);
  const workers = [2, 3].map((concurrency) =>
    createWorker("downloads", redis.worker, async () => outcome, { concurrency, prefix, logger }),
  );
  for (const worker of workers) await worker.start(never);
  await vi.waitFor(async () => expect(await queue.concurrency()).toBe(5), patient);
  await redis.producer.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await vi.waitFor(async () => expect(await queue.concurrency()).toBe(5), patient);
  await workers[0]?.stop();
  await vi.waitFor(async () => expect(await queue.concurrency()).toBe(3), patient);
  await workers[1]?.stop();

  await redis.producer.call("ACL", "SETUSER", "default", "-client|list");
  expect(await queue.concurrency()).toBe(null);
  await server.halt();
  await vi.waitUntil(() => !redis.ready, patient);
  await expect(queue.concurrency()).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE" });
  await queue.close();
});
