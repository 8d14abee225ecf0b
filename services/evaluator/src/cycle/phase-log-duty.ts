import type { ChainHead } from "@assay/chain/chain-client";
import { PHASES, type PhaseAt, phaseAt } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Logger } from "@assay/runtime/logging/logger";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { Duty } from "./duty.ts";

export interface PhaseLogComponents {
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** Says once per phase where the chain stands, and measures how late we noticed. */
export class PhaseLogDuty implements Duty {
  readonly name = "phase-log";
  readonly #components: PhaseLogComponents;
  readonly #network: Network;
  #last: PhaseAt | null = null;

  constructor(components: PhaseLogComponents, network: Network) {
    this.#components = components;
    this.#network = network;
  }

  async run(head: ChainHead): Promise<void> {
    const { metrics, logger } = this.#components;
    const at = phaseAt(head.number, this.#network.schedule);
    metrics.block.set(at.block);
    metrics.phase.set(PHASES.indexOf(at.phase));
    if (this.#last?.firstBlock === at.firstBlock) return;
    // The first phase after a start was not noticed late: we were not there.
    if (this.#last !== null) {
      metrics.phaseLateness.observe(((at.block - at.firstBlock) * this.#network.blockMillis) / 1000);
    }
    this.#last = at;
    logger.info(`Current block: ${at.block}, phase: ${at.phase.toUpperCase()}`, {
      cycle: at.cycle,
      blocks: `${at.firstBlock}-${at.lastBlock}`,
    });
  }
}
