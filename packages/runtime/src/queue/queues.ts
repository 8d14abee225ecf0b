import { JOB_RETRIES, type QueueName } from "@assay/core/jobs/catalog";
import { type DefaultJobOptions, type Job, type JobState, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { isConnectionError } from "./connection.ts";
import type { JobOutcome, JobPayload } from "./job-outcomes.ts";
import { QueueError, QueueErrorCode } from "./queue-error.ts";
import { totalConcurrency } from "./worker-concurrency.ts";

export interface QueueOptions {
  /** Begins every key, so that several validators can share one Redis. */
  readonly prefix: string;
}

export interface AddOptions {
  readonly delayMillis?: number;
  /** 1 to 2,097,151, lower is sooner; jobs without one go first. A retry takes its place by it again. */
  readonly priority?: number;
}

/** A job as Redis knows it. */
export interface QueuedJob<N extends QueueName> {
  readonly id: string;
  readonly state: JobState | "unknown";
  readonly payload: JobPayload<N>;
  /** Null until the job is completed. */
  readonly outcome: JobOutcome<N> | null;
  /** The last error's message; null unless the job failed. */
  readonly failure: string | null;
}

/** How many jobs are in each state. */
export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly completed: number;
  readonly failed: number;
}

const KEPT_SECONDS = 24 * 60 * 60;
const KEPT_JOBS = 10_000;
/** A payload holds ids, hashes and paths. */
const MAX_PAYLOAD_BYTES = 8 * 1024;

function jobOptions(name: QueueName): DefaultJobOptions {
  const { attempts, pauseMillis } = JOB_RETRIES[name];
  return {
    attempts,
    ...(pauseMillis > 0 && { backoff: { type: "exponential", delay: pauseMillis, jitter: 0.5 } }),
    removeOnComplete: { age: KEPT_SECONDS, count: KEPT_JOBS },
    removeOnFail: { age: KEPT_SECONDS, count: KEPT_JOBS },
    sizeLimit: MAX_PAYLOAD_BYTES,
  };
}

/** @param connection the producer connection, which fails fast. */
export function createQueue<N extends QueueName>(name: N, connection: Redis, { prefix }: QueueOptions): JobQueue<N> {
  const queue = new Queue<object>(name, {
    connection,
    prefix,
    defaultJobOptions: jobOptions(name),
    // Otherwise the first command waits for a connection, and without one for ever.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  });
  queue.on("error", ignoreError);
  return new JobQueue(name, queue);
}

/** The producer's side of one queue. While Redis is away everything fails at once with `QUEUE_UNAVAILABLE`. */
export class JobQueue<N extends QueueName> {
  readonly name: N;
  readonly #queue: Queue<object>;

  constructor(name: N, queue: Queue<object>) {
    this.name = name;
    this.#queue = queue;
  }

  /**
   * Adds a job unless one of this id is still known, in whatever state.
   *
   * @param id deterministic, see `@assay/core/jobs/catalog`.
   */
  async add(id: string, payload: JobPayload<N>, { delayMillis, priority }: AddOptions = {}): Promise<void> {
    await available(
      this.#queue.add(this.name, payload, {
        jobId: id,
        ...(delayMillis !== undefined && { delay: delayMillis }),
        ...(priority !== undefined && { priority }),
      }),
    );
  }

  async find(id: string): Promise<QueuedJob<N> | null> {
    // The state first: a job read before it ended would lack the outcome that its state promises.
    const state = await available(this.#queue.getJobState(id));
    const job = await available(this.#queue.getJob(id));
    return job === undefined ? null : toQueuedJob<N>(id, job, state);
  }

  /** Jobs that ended, oldest first: what an outcome follower that was away catches up from. */
  async finished(): Promise<readonly QueuedJob<N>[]> {
    const states = ["completed", "failed"] as const;
    const lists = await available(
      Promise.all(
        states.map(async (state) => {
          const jobs = await this.#queue.getJobs([state], 0, -1, true);
          return jobs.map((job) => ({ endedAt: job.finishedOn ?? 0, job: toQueuedJob<N>(job.id ?? "", job, state) }));
        }),
      ),
    );
    const ended = lists.flat().sort((a, b) => a.endedAt - b.endedAt);
    return ended.map(({ job }) => job);
  }

  /** Forgets a job if it is known, so that its id can be added again. False while it is being worked on. */
  async remove(id: string): Promise<boolean> {
    return (await available(this.#queue.remove(id))) === 1;
  }

  async counts(): Promise<QueueCounts> {
    const counts = await available(this.#queue.getJobCounts());
    const of = (state: string) => counts[state] ?? 0;
    return {
      waiting: of("waiting") + of("prioritized"),
      active: of("active"),
      delayed: of("delayed"),
      completed: of("completed"),
      failed: of("failed"),
    };
  }

  /** How many jobs the connected workers take at once, on whatever host; null if Redis does not list its clients. */
  async concurrency(): Promise<number | null> {
    try {
      const workers = await available(this.#queue.getWorkers());
      return totalConcurrency(workers.map(({ rawname }) => rawname));
    } catch (error) {
      if (error instanceof Error && error.name === "ReplyError") return null;
      throw error;
    }
  }

  /** The connection stays open: it is not the queue's. */
  async close(): Promise<void> {
    await this.#queue.close();
  }
}

/** Every command also rejects, and the connection reports its own state. */
function ignoreError(): void {
  return;
}

async function available<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    if (!isConnectionError(error)) throw error;
    throw new QueueError(QueueErrorCode.Unavailable, "Redis does not answer", { retryable: true, cause: error });
  }
}

function toQueuedJob<N extends QueueName>(id: string, job: Job<object>, state: QueuedJob<N>["state"]): QueuedJob<N> {
  return {
    id,
    state,
    payload: job.data as JobPayload<N>,
    outcome: state === "completed" ? (job.returnvalue as JobOutcome<N>) : null,
    failure: state === "failed" ? (job.failedReason ?? null) : null,
  };
}
