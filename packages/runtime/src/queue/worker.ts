import { isAppError } from "@assay/core/app-error";
import type { QueueName } from "@assay/core/jobs/catalog";
import { type Job, UnrecoverableError, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Startable } from "../lifecycle/startable.ts";
import type { Logger } from "../logging/logger.ts";
import { withDeadline } from "../time/deadline.ts";
import { isConnectionError } from "./connection.ts";
import { failureText } from "./job-failure.ts";
import type { JobOutcome, JobPayload } from "./job-outcomes.ts";
import { concurrencyName } from "./worker-concurrency.ts";

/** A job as its processor sees it. */
export interface ReceivedJob<N extends QueueName> {
  readonly id: string;
  readonly payload: JobPayload<N>;
  /** From 1. */
  readonly attempt: number;
}

/**
 * One job to one outcome. Must be safe to repeat.
 *
 * Throws only for our own failures: an AppError that is not retryable ends the job, anything else is tried again. When
 * the signal is aborted the worker is stopping; a job that gives up then goes back to the queue with no attempt lost.
 */
export type JobProcessor<N extends QueueName> = (job: ReceivedJob<N>, signal: AbortSignal) => Promise<JobOutcome<N>>;

export interface WorkerOptions {
  /** Jobs at once; a function is asked at every start. */
  readonly concurrency: number | (() => number);
  /** How many of them get on at once, where others only wait here; what a forecast counts with. */
  readonly capacity?: () => number;
  readonly prefix: string;
  readonly logger: Logger;
  /** How long running jobs may go on after `stop` before they are aborted; 2 s unless said otherwise. */
  readonly stopGraceMs?: number;
  /** A worker that fell silent for this long loses its job to another; 30 s unless said otherwise. */
  readonly lockMillis?: number;
}

/** @param connection the worker connection; the worker opens its own copies of it. */
export function createWorker<N extends QueueName>(
  name: N,
  connection: Redis,
  processor: JobProcessor<N>,
  options: WorkerOptions,
): QueueWorker<N> {
  return new QueueWorker(name, connection, processor, options);
}

const DEFAULT_STOP_GRACE_MS = 2_000;
const ABORT_GRACE_MS = 3_000;
const CLOSE_DEADLINE_MS = 3_000;
const DEFAULT_LOCK_MILLIS = 30_000;

export class QueueWorker<N extends QueueName> implements Startable {
  readonly name: N;
  readonly #connection: Redis;
  readonly #process: JobProcessor<N>;
  readonly #options: WorkerOptions;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<unknown>>();
  #stopping = new AbortController();
  #worker: Worker<JobPayload<N>, JobOutcome<N>> | null = null;
  #copy: Redis | null = null;

  constructor(name: N, connection: Redis, processor: JobProcessor<N>, options: WorkerOptions) {
    this.name = name;
    this.#connection = connection;
    this.#process = processor;
    this.#options = options;
    this.#logger = options.logger.child({ module: "queue", queue: name });
  }

  /** Jobs being worked on in this process. */
  get active(): number {
    return this.#running.size;
  }

  /** Does not wait for Redis: without it the worker takes its first job when Redis returns. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { concurrency, capacity, prefix, lockMillis } = this.#options;
    const slots = typeof concurrency === "function" ? concurrency() : concurrency;
    this.#stopping = new AbortController();
    this.#copy = this.#connection.duplicate({ lazyConnect: false });
    this.#copy.on("error", (error) => this.#onError(error));
    this.#worker = new Worker<JobPayload<N>, JobOutcome<N>>(
      this.name,
      // BullMQ hands over its signal only to a processor of three parameters.
      (job, token, lockLost) => this.#track(this.#run(job, token, lockLost)),
      {
        connection: this.#copy,
        prefix,
        name: concurrencyName(capacity?.() ?? slots),
        concurrency: slots,
        skipVersionCheck: false,
        lockDuration: lockMillis ?? DEFAULT_LOCK_MILLIS,
        stalledInterval: lockMillis ?? DEFAULT_LOCK_MILLIS,
        maxStalledCount: 3,
      },
    );
    this.#worker.on("error", (error) => this.#onError(error));
    this.#worker.on("stalled", (id) => this.#logger.warn("Took over a job whose worker fell silent", { jobId: id }));
    this.#worker.on("failed", (job, error) => this.#onFailed(job, error));
  }

  /** Takes no more jobs, lets running ones end, then aborts them and gives them back to the queue. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    this.#worker = null;
    await worker.pause(true);
    await this.#drain(this.#options.stopGraceMs ?? DEFAULT_STOP_GRACE_MS);
    this.#stopping.abort(new Error("The worker is stopping"));
    await this.#drain(ABORT_GRACE_MS);
    await withDeadline(worker.close(), CLOSE_DEADLINE_MS, "Closing the queue worker").catch((error: unknown) => {
      this.#logger.warn("Queue worker closed without Redis", {}, error);
      void worker.getBackend().disconnectBlocking(false);
    });
    this.#copy?.disconnect();
  }

  async #run(job: Job<JobPayload<N>>, token?: string, lockLost?: AbortSignal): Promise<JobOutcome<N>> {
    const signals = lockLost === undefined ? [] : [lockLost];
    const signal = AbortSignal.any([this.#stopping.signal, ...signals]);
    try {
      return await this.#process({ id: job.id ?? "", payload: job.data, attempt: job.attemptsMade + 1 }, signal);
    } catch (error) {
      if (this.#stopping.signal.aborted && token !== undefined) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      throw toJobFailure(error);
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const done = () => this.#running.delete(work);
    work.then(done, done);
    return work;
  }

  async #drain(ms: number): Promise<void> {
    if (this.#running.size === 0) return;
    await withDeadline(Promise.allSettled(this.#running), ms, "Running jobs").catch(() => {
      this.#logger.debug("Jobs are still running", { queue: this.name, active: this.#running.size });
    });
  }

  #onError(error: Error): void {
    if (!isConnectionError(error)) this.#logger.error("Queue worker error", {}, error);
  }

  #onFailed(job: Job | undefined, error: Error): void {
    const attempts = job?.opts.attempts ?? 1;
    const final = job === undefined || error instanceof UnrecoverableError || job.attemptsMade >= attempts;
    const fields = { jobId: job?.id, attempt: job?.attemptsMade, attempts };
    if (final) this.#logger.error("Job failed", fields, error.cause ?? error);
    else this.#logger.warn("Job failed and will be tried again", fields, error.cause ?? error);
  }
}

/** The only place that turns `retryable: false` into BullMQ's word for it. */
function toJobFailure(error: unknown): Error {
  const final = isAppError(error) && !error.retryable;
  const failure = final ? new UnrecoverableError(failureText(error)) : new Error(failureText(error));
  failure.cause = error;
  return failure;
}
