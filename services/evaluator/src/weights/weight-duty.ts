import type { ChainHead } from "@assay/chain/chain-client";
import { readWeightStop } from "@assay/checkpoint/weight-stop";
import { weightJobId } from "@assay/core/jobs/catalog";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { Duty } from "../cycle/duty.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { RevealWatch } from "./reveal-watch.ts";
import type { WeightComponents } from "./weight-components.ts";
import { WindowPlanner, type WindowPlannerOptions } from "./window-planner.ts";

/** After a job has used up its attempts, the intent rests this long: a chain that refuses us does so at each block. */
const REST_BLOCKS = 5;

export interface WeightDutyComponents extends WeightComponents {
  readonly weights: JobBoard<"weights">;
}

/** Has each permitted window planned, keeps each intent's job alive until it is final, and follows hidden ones to their reveal. */
export class WeightDuty implements Duty {
  readonly name = "weights";
  readonly #components: WeightDutyComponents;
  readonly #planner: WindowPlanner;
  readonly #reveals: RevealWatch;
  /** Block at which an intent's job was first seen as failed. */
  readonly #failedAt = new Map<string, BlockNumber>();
  #started = false;

  constructor(components: WeightDutyComponents, options: WindowPlannerOptions) {
    this.#components = components;
    this.#planner = new WindowPlanner(components, options);
    this.#reveals = new RevealWatch(components);
  }

  async run(head: ChainHead): Promise<void> {
    const { ledger, layout, metrics } = this.#components;
    if (!this.#started) await this.#restoreMetric();
    metrics.weightsStopped.set((await readWeightStop(layout)) === null ? 0 : 1);
    await this.#planner.look(head);
    for (const intent of await ledger.intents.active()) await this.#follow(intent, head);
  }

  async #follow(intent: WeightIntent, head: ChainHead): Promise<void> {
    const isCommitted = intent.state === "committed" || intent.state === "revealed";
    if (!isCommitted || (await this.#reveals.look(intent)) === "due") await this.#keepAlive(intent, head);
  }

  async #restoreMetric(): Promise<void> {
    const { ledger, metrics } = this.#components;
    const isVerified = (await ledger.intents.latestResult())?.state === "verified";
    const isGone = (await ledger.intents.active()).some(({ reason }) => reason === "not_registered");
    metrics.setWeightsSuccess.set(isVerified && !isGone ? 1 : 0);
    this.#started = true;
  }

  /** The intent is still open, so a job that ended without settling it (it waits, a lost Redis, used-up attempts) runs again. */
  async #keepAlive(intent: WeightIntent, { number: block }: ChainHead): Promise<void> {
    const { weights } = this.#components;
    const id = weightJobId(intent.id);
    const payload = { intentId: intent.id, deadlineBlock: intent.deadlineBlock };
    const state = await weights.settle(id, payload);
    if (state.kind === "open") return;
    if (state.kind === "failed") {
      const failedAt = this.#failedAt.get(id) ?? block;
      this.#failedAt.set(id, failedAt);
      if (block < Math.min(failedAt + REST_BLOCKS, intent.deadlineBlock)) return;
    }
    this.#failedAt.delete(id);
    await weights.forget(id);
    await weights.settle(id, payload);
  }
}
