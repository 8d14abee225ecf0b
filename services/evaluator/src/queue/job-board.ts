import type { JobCatalog, QueueName } from "@assay/core/jobs/catalog";
import { failureCode } from "@assay/runtime/queue/job-failure";
import type { JobOutcome } from "@assay/runtime/queue/job-outcomes";
import type { AddOptions, JobQueue } from "@assay/runtime/queue/queues";

/** What became of a job that was asked for. */
export type JobStanding<Outcome> =
  | { readonly kind: "open" }
  | { readonly kind: "completed"; readonly outcome: Outcome }
  /** All attempts failed, the last one so. `code` is null for what is no AppError; `message` begins with it. */
  | { readonly kind: "failed"; readonly code: string | null; readonly message: string };

/**
 * One queue seen as state: ask for a job by its deterministic id and learn where it stands.
 *
 * A job that Redis lost is simply asked for again, so a flushed Redis costs time and nothing else.
 */
export class JobBoard<Name extends QueueName> {
  readonly #queue: JobQueue<Name>;

  constructor(queue: JobQueue<Name>) {
    this.#queue = queue;
  }

  /** Adds the job unless it exists, and says where it stands. */
  async settle(
    id: string,
    payload: JobCatalog[Name],
    options: AddOptions = {},
  ): Promise<JobStanding<JobOutcome<Name>>> {
    const job = await this.#queue.find(id);
    if (job === null) {
      await this.#queue.add(id, payload, options);
      return { kind: "open" };
    }
    if (job.outcome !== null) return { kind: "completed", outcome: job.outcome };
    if (job.state !== "failed") return { kind: "open" };
    const message = job.failure ?? "";
    return { kind: "failed", code: failureCode(message), message };
  }

  /** Forgets an ended job, so that asking for it again runs it again. */
  async forget(id: string): Promise<void> {
    await this.#queue.remove(id);
  }

  /** Jobs that wait or run. */
  async depth(): Promise<number> {
    const { waiting, active, delayed } = await this.#queue.counts();
    return waiting + active + delayed;
  }

  /** Jobs that the connected workers take at once; null when Redis does not tell. */
  async concurrency(): Promise<number | null> {
    return await this.#queue.concurrency();
  }
}
