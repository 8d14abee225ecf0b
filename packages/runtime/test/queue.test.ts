import { AppError } from "@assay/core/app-error";
import type { DownloadJob } from "@assay/core/jobs/catalog";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { OutcomeFollower } from "@assay/runtime/queue/outcome-follower";
import { createQueue, type JobQueue } from "@assay/runtime/queue/queues";
import { createWorker, type JobProcessor, type QueueWorker } from "@assay/runtime/queue/worker";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

const never = new AbortController().signal;
const payload: DownloadJob = { roundId: 7, uid: 3, hotkey: "5F", deadlineBlock: 100 };
const outcome: DownloadOutcome = { kind: "expired", roundId: 7, uid: 3, hotkey: "5F" };

let server: PrivateRedis;
let redis: RedisConnections;
let queue: JobQueue<"downloads">;
let prefix: string;
let tests = 0;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startPrivateRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  prefix = `${server.prefix}-${tests++}`;
  redis = new RedisConnections({ logger: createMemoryLogger() }, { url: server.url });
  await redis.start(never);
  queue = createQueue("downloads", redis.producer, { prefix });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await queue.close();
  await redis.stop();
});

interface Ended {
  readonly id: string;
  readonly outcome: DownloadOutcome | null;
  readonly failure: string | null;
}

/** Starts following before any job is added, and hands out what ends, in order. */
async function follow(): Promise<{ next(): Promise<Ended> }> {
  const ended: Ended[] = [];
  const waiting: ((value: Ended) => void)[] = [];
  const push = (value: Ended) => {
    const wake = waiting.shift();
    if (wake === undefined) ended.push(value);
    else wake(value);
  };
  const follower = new OutcomeFollower(
    "downloads",
    redis.worker,
    {
      completed: (id, result) => push({ id, outcome: result, failure: null }),
      failed: (id, failure) => push({ id, outcome: null, failure }),
    },
    { prefix, logger: createMemoryLogger() },
  );
  await follower.start(never);
  cleanups.push(() => follower.stop());
  return {
    next: async () => {
      const value = ended.shift();
      return value ?? (await new Promise<Ended>((resolve) => waiting.push(resolve)));
    },
  };
}

async function work(
  processor: JobProcessor<"downloads">,
  options: { readonly stopGraceMs?: number } = {},
): Promise<QueueWorker<"downloads">> {
  const logger = createMemoryLogger();
  const worker = createWorker("downloads", redis.worker, processor, { concurrency: 2, prefix, logger, ...options });
  await worker.start(never);
  cleanups.push(() => worker.stop());
  return worker;
}

test("a job is processed and its outcome reaches followers and the queue", async () => {
  const outcomes = await follow();
  const seen: unknown[] = [];
  await work(async (job) => {
    seen.push(job);
    return outcome;
  });
  await queue.add("download-7-3", payload);
  expect(await outcomes.next()).toEqual({ id: "download-7-3", outcome, failure: null });
  expect(seen).toEqual([{ id: "download-7-3", payload, attempt: 1 }]);
  expect(await queue.find("download-7-3")).toEqual({
    id: "download-7-3",
    state: "completed",
    payload,
    outcome,
    failure: null,
  });
  expect((await queue.finished()).map(({ id }) => id)).toEqual(["download-7-3"]);
  expect(await queue.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, completed: 1, failed: 0 });
});

test("a job whose id is known is not added again, until it was removed", async () => {
  await queue.add("download-7-3", payload);
  await queue.add("download-7-3", { ...payload, deadlineBlock: 999 });
  expect((await queue.find("download-7-3"))?.payload.deadlineBlock).toBe(100);
  expect((await queue.counts()).waiting).toBe(1);
  expect(await queue.remove("download-7-3")).toBe(true);
  expect(await queue.find("download-7-3")).toBeNull();
});

test("a failure that is not retryable ends the job with its code and message alone", async () => {
  const outcomes = await follow();
  const attempts: number[] = [];
  await work(async ({ attempt }) => {
    attempts.push(attempt);
    throw new AppError("CHECKPOINT_VOLUME_FULL", "No space", { fields: { free: 0 } });
  });
  await queue.add("download-7-3", payload);
  const failure = "CHECKPOINT_VOLUME_FULL: No space";
  expect(await outcomes.next()).toEqual({ id: "download-7-3", outcome: null, failure });
  expect(attempts).toEqual([1]);
  expect(await queue.find("download-7-3")).toMatchObject({ state: "failed", outcome: null, failure });
});

test("a retryable failure is tried again", async () => {
  const outcomes = await follow();
  const attempts: number[] = [];
  await work(async ({ attempt }) => {
    attempts.push(attempt);
    if (attempt === 1) throw new AppError("CHECKPOINT_AWAY", "Away", { retryable: true });
    return outcome;
  });
  await queue.add("download-7-3", payload);
  expect(await outcomes.next()).toMatchObject({ outcome });
  expect(attempts).toEqual([1, 2]);
});

test("a failed job of a queue without a pause takes its own place again, before those of a lower rank", async () => {
  const evaluations = createQueue("evaluations", redis.producer, { prefix });
  cleanups.push(() => evaluations.close());
  const job = { roundId: 7, hotkey: "5F", group: 0, baseVersion: 0, submissionPath: "p", submissionSha256: "h" };
  for (const uid of [4, 3, 2, 1]) {
    await evaluations.add(`evaluation-7-${uid}`, { ...job, uid, seed: "5eed", deadlineBlock: 100 }, { priority: uid });
  }
  const order: string[] = [];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const processor: JobProcessor<"evaluations"> = async ({ payload: { uid }, attempt }) => {
    order.push(`${uid}/${attempt}`);
    if (uid === 2) throw new AppError("CHILD_EXITED", "The child is gone", { retryable: true });
    if (uid === 4) end();
    return { kind: "expired", roundId: 7, uid, hotkey: "5F" };
  };
  const options = { concurrency: 1, prefix, logger: createMemoryLogger() };
  const worker = createWorker("evaluations", redis.worker, processor, options);
  cleanups.push(() => worker.stop());
  await worker.start(never);
  await ended;
  expect(order).toEqual(["1/1", "2/1", "2/2", "3/1", "4/1"]);
});

test("a worker that stops lets a short job end", async () => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  const worker = await work(async () => {
    begin();
    await mayEnd;
    return outcome;
  });
  await queue.add("download-7-3", payload);
  await begun;
  expect(worker.active).toBe(1);
  const stopped = worker.stop();
  end();
  await stopped;
  expect(worker.active).toBe(0);
  expect(await queue.find("download-7-3")).toMatchObject({ state: "completed", outcome });
});

test("a job that a stopping worker aborts survives for the next worker, with no attempt lost", async () => {
  const outcomes = await follow();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const first = await work(
    async (_job, signal) => {
      begin();
      return await new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    { stopGraceMs: 10 },
  );
  await queue.add("download-7-3", payload);
  await begun;
  await first.stop();
  expect(await queue.find("download-7-3")).toMatchObject({ state: "waiting" });
  const attempts: number[] = [];
  await work(async ({ attempt }) => {
    attempts.push(attempt);
    return outcome;
  });
  expect(await outcomes.next()).toEqual({ id: "download-7-3", outcome, failure: null });
  expect(attempts).toEqual([1]);
});

test("a payload that is not a reference but bytes is refused", async () => {
  const hotkey = "5".repeat(20_000);
  await expect(queue.add("download-7-3", { ...payload, hotkey })).rejects.toThrow(/exceeds/);
});
