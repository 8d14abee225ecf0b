import type { QueueName } from "@assay/core/jobs/catalog";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { createQueue, type JobQueue } from "@assay/runtime/queue/queues";
import { createWorker, type JobProcessor } from "@assay/runtime/queue/worker";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, onTestFinished, vi } from "vitest";
import { JobBoard } from "../src/queue/job-board.ts";
import { never } from "./stage.ts";

let server: PrivateRedis;
let tests = 0;

/** One Redis for the test file; call it at the file's top. */
export function useRedis(): void {
  beforeAll(async () => {
    server = await startPrivateRedis();
  });
  afterAll(() => server.stop());
}

/** The queues of one test, on keys of its own. */
export interface Queues {
  readonly url: string;
  readonly redis: RedisConnections;
  readonly prefix: string;
  queue<N extends QueueName>(name: N): JobQueue<N>;
  board<N extends QueueName>(name: N): JobBoard<N>;
  /** A worker that stops with the test. */
  work<N extends QueueName>(name: N, processor: JobProcessor<N>, concurrency?: number): Promise<Startable>;
  /** Forgets every job of this test, as a flushed Redis does. */
  flush(): Promise<void>;
}

export async function openQueues(): Promise<Queues> {
  tests += 1;
  const prefix = `${server.prefix}-${tests}`;
  const redis = new RedisConnections({ logger: createMemoryLogger() }, { url: server.url });
  await redis.start(never);
  const started: Startable[] = [];
  const opened: JobQueue<QueueName>[] = [];
  const queue = <N extends QueueName>(name: N): JobQueue<N> => {
    const created = createQueue(name, redis.producer, { prefix });
    opened.push(created as unknown as JobQueue<QueueName>);
    return created;
  };
  onTestFinished(async () => {
    for (const part of started) await part.stop();
    for (const each of opened) await each.close();
    await redis.stop();
  });
  return {
    url: server.url,
    redis,
    prefix,
    queue,
    board: (name) => new JobBoard(queue(name)),
    work: async (name, processor, concurrency = 2) => {
      const options = { concurrency, prefix, logger: createMemoryLogger(), stopGraceMs: 100 };
      const worker = createWorker(name, redis.worker, processor, options);
      await worker.start(never);
      started.push(worker);
      return worker;
    },
    flush: async () => {
      const keys = await redis.producer.keys(`${prefix}:*`);
      if (keys.length > 0) await redis.producer.del(...keys);
    },
  };
}

/** Asks again until it holds; fails with what the last try said. */
export async function eventually(check: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
}
