import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { HealthReport } from "@assay/runtime/metrics/admin-server";

/** What must be well for this process to do its work. */
export interface ReadinessComponents {
  readonly redis: { readonly ready: boolean };
  /** How long the chain has been silent; only for a process that follows it. */
  readonly chain?: { silentFor(): number | null };
  /** What keeps the validator from its work, in words; only for a process that follows the chain. */
  readonly waiting?: { whyNotReady(): string | null };
}

/**
 * Whether this process can do its work: everything before it in the list of parts has started, Redis answers, the chain
 * has new blocks, and the validator waits for nothing that somebody has to see to.
 */
export class Readiness implements Startable {
  readonly #components: ReadinessComponents;
  #started = false;

  constructor(components: ReadinessComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
  }

  report(): HealthReport {
    const { redis, chain, waiting } = this.#components;
    if (!this.#started) return { ok: false, reason: "Starting or stopping" };
    if (!redis.ready) return { ok: false, reason: "Redis does not answer" };
    const silentFor = chain?.silentFor() ?? null;
    if (silentFor !== null) {
      return { ok: false, reason: `The chain has had no new block for ${Math.floor(silentFor / 1000)} s` };
    }
    const why = waiting?.whyNotReady() ?? null;
    return why === null ? { ok: true } : { ok: false, reason: why };
  }
}
