import type { QueueName } from "@assay/core/jobs/catalog";
import { QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import type { Startable } from "../lifecycle/startable.ts";
import type { Logger } from "../logging/logger.ts";
import { withDeadline } from "../time/deadline.ts";
import { isConnectionError } from "./connection.ts";
import type { JobOutcome } from "./job-outcomes.ts";

export interface OutcomeListener<N extends QueueName> {
  completed(jobId: string, outcome: JobOutcome<N>): void;
  /** The last attempt failed; `message` begins with the error's code if it had one. */
  failed(jobId: string, message: string): void;
}

export interface OutcomeFollowerOptions {
  readonly prefix: string;
  readonly logger: Logger;
}

const CLOSE_DEADLINE_MS = 3_000;

/**
 * Hears of every job of a queue that ends, in whatever process or host.
 *
 * Events from before `start` and from while Redis was away are not repeated: catch up with `JobQueue.finished`.
 */
export class OutcomeFollower<N extends QueueName> implements Startable {
  readonly #name: N;
  readonly #connection: Redis;
  readonly #listener: OutcomeListener<N>;
  readonly #options: OutcomeFollowerOptions;
  #copy: Redis | null = null;
  #events: QueueEvents | null = null;

  constructor(name: N, connection: Redis, listener: OutcomeListener<N>, options: OutcomeFollowerOptions) {
    this.#name = name;
    this.#connection = connection;
    this.#listener = listener;
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const copy = this.#connection.duplicate({ lazyConnect: false });
    copy.on("error", (error) => this.#onError(error));
    const events = new QueueEvents(this.#name, { connection: copy, prefix: this.#options.prefix });
    events.on("error", (error) => this.#onError(error));
    events.on("completed", ({ jobId, returnvalue }) => {
      this.#listener.completed(jobId, returnvalue as unknown as JobOutcome<N>);
    });
    events.on("failed", ({ jobId, failedReason }) => this.#listener.failed(jobId, failedReason));
    this.#copy = copy;
    this.#events = events;
  }

  async stop(): Promise<void> {
    const events = this.#events;
    if (events === null) return;
    this.#events = null;
    await withDeadline(events.close(), CLOSE_DEADLINE_MS, "Closing queue events").catch((error: unknown) => {
      this.#options.logger.warn("Queue events closed without Redis", { queue: this.#name }, error);
    });
    this.#copy?.disconnect();
  }

  #onError(error: Error): void {
    if (!isConnectionError(error)) this.#options.logger.error("Queue events error", { queue: this.#name }, error);
  }
}
