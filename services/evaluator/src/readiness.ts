import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { HealthReport } from "@assay/runtime/metrics/admin-server";
import type { RedisConnections } from "@assay/runtime/queue/connection";

/** Whether this process can do its work: everything before it in the list of parts has started, and Redis answers. */
export class Readiness implements Startable {
  readonly #redis: RedisConnections;
  #started = false;

  constructor(redis: RedisConnections) {
    this.#redis = redis;
  }

  async start(): Promise<void> {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
  }

  report(): HealthReport {
    if (!this.#started) return { ok: false, reason: "Starting or stopping" };
    return this.#redis.ready ? { ok: true } : { ok: false, reason: "Redis does not answer" };
  }
}
