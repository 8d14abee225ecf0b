import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { failureCode } from "../failure-code.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { Duty } from "./duty.ts";

export interface CycleRunnerComponents {
  readonly chain: Pick<ChainClient, "head" | "onHead">;
  readonly duties: readonly Duty[];
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/**
 * Asks every duty again on each block and whenever something finished.
 *
 * Each duty has a lane of its own: it is never run twice at once, a slow one delays no other, and what happens while
 * it runs makes it run once more.
 */
export class CycleRunner implements Startable {
  readonly #components: CycleRunnerComponents;
  readonly #lanes: readonly Lane[];
  #unsubscribe: (() => void) | null = null;
  #abort = new AbortController();

  constructor(components: CycleRunnerComponents) {
    this.#components = components;
    this.#lanes = components.duties.map((duty) => new Lane(duty, components));
  }

  async start(): Promise<void> {
    this.#abort = new AbortController();
    this.#unsubscribe = this.#components.chain.onHead(() => this.nudge());
    this.nudge();
  }

  /** Asks all duties again now, because something they wait for may have finished. */
  nudge(): void {
    if (this.#unsubscribe === null) return;
    for (const lane of this.#lanes) lane.trigger(this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#abort.abort(new Error("The service is stopping"));
    await Promise.all(this.#lanes.map((lane) => lane.settled()));
  }
}

/** One duty with its run in progress, if any. Says once when it starts failing and once when it works again. */
class Lane {
  readonly #duty: Duty;
  readonly #components: CycleRunnerComponents;
  #running: Promise<void> = Promise.resolve();
  #active = false;
  #again = false;
  /** Codes it failed with since it last worked. */
  readonly #failing = new Set<string>();

  constructor(duty: Duty, components: CycleRunnerComponents) {
    this.#duty = duty;
    this.#components = components;
  }

  trigger(signal: AbortSignal): void {
    this.#again = true;
    if (!this.#active) this.#running = this.#drain(signal);
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  async #drain(signal: AbortSignal): Promise<void> {
    this.#active = true;
    try {
      while (this.#again && !signal.aborted) {
        this.#again = false;
        await this.#runOnce(this.#components.chain.head(), signal);
      }
    } finally {
      // In the same turn as the last look at `again`, or a trigger in between would be lost.
      this.#active = false;
    }
  }

  async #runOnce(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { metrics, logger } = this.#components;
    const duty = this.#duty.name;
    const timer = metrics.dutySeconds.startTimer({ duty });
    try {
      await this.#duty.run(head, signal);
      if (this.#failing.size > 0) logger.info("Duty works again", { duty, block: head.number });
      this.#failing.clear();
    } catch (error) {
      if (signal.aborted) return;
      const code = failureCode(error);
      // Only a known failure heals by itself at the next block; anything else is a bug and ends the process.
      if (code === null) throw error;
      metrics.dutyFailures.inc({ duty, code });
      if (!this.#failing.has(code)) logger.error("Duty failed; it is tried again at each block", { duty }, error);
      this.#failing.add(code);
    } finally {
      timer();
    }
  }
}
