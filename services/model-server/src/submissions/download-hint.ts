import { type DownloadJob, downloadJobId } from "@assay/core/jobs/catalog";
import type { Logger } from "@assay/runtime/logging/logger";
import type { JobQueue } from "@assay/runtime/queue/queues";
import { withDeadline } from "@assay/runtime/time/deadline";
import type { ModelServerMetrics } from "../metrics.ts";

export interface DownloadHintComponents {
  readonly queue: Pick<JobQueue<"downloads">, "add" | "close">;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

const HINT_DEADLINE_MILLIS = 5_000;

/**
 * Tells the evaluator at once of a submission that it would find in the inbox a little later.
 *
 * Never in a request's way: a queue that is away is reported once, until it is back.
 */
export class DownloadHint {
  readonly #components: DownloadHintComponents;
  readonly #pending = new Set<Promise<void>>();
  #failing = false;

  constructor(components: DownloadHintComponents) {
    this.#components = components;
  }

  async start(_signal: AbortSignal): Promise<void> {}

  announce(job: DownloadJob): void {
    const pending = this.#add(job);
    this.#pending.add(pending);
    void pending.finally(() => this.#pending.delete(pending));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pending);
    await this.#components.queue.close();
  }

  async #add(job: DownloadJob): Promise<void> {
    const { queue, metrics, logger } = this.#components;
    try {
      const added = queue.add(downloadJobId(job.roundId, job.uid), job);
      await withDeadline(added, HINT_DEADLINE_MILLIS, "Adding a download job");
      this.#failing = false;
    } catch (error) {
      metrics.downloadHintFailures.inc();
      if (!this.#failing) {
        this.#failing = true;
        logger.warn("Cannot queue download jobs; the evaluator finds submissions in the inbox", {}, error);
      }
    }
  }
}
