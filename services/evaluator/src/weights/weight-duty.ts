import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { cycleLength } from "@assay/core/cycle/phase";
import { repairIntentId, weightIntentId, weightJobId } from "@assay/core/jobs/catalog";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import { entriesStillRegistered, type ScoreBook } from "@assay/core/scoring/score-book";
import { weightVector } from "@assay/core/scoring/weights";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { RevealWatch } from "./reveal-watch.ts";

/** Step under which a cycle's weights are marked as planned, or as not to be set. */
const PLANNED_STEP = "weights-planned";
/** After a job has used up its attempts, the intent rests this long: a chain that refuses us does so at each block. */
const REST_BLOCKS = 5;

export interface WeightDutyComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly weights: JobBoard<"weights">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface WeightDutyOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/** Turns the scores of the newest closed round into an intent, keeps each intent's job alive until it is final, and follows hidden ones to their reveal. */
export class WeightDuty implements Duty {
  readonly name = "weights";
  readonly #components: WeightDutyComponents;
  readonly #options: WeightDutyOptions;
  readonly #reveals: RevealWatch;
  /** Block at which an intent's job was first seen as failed. */
  readonly #failedAt = new Map<string, BlockNumber>();
  #started = false;

  constructor(components: WeightDutyComponents, options: WeightDutyOptions) {
    this.#components = components;
    this.#options = options;
    this.#reveals = new RevealWatch(components);
  }

  async run(head: ChainHead): Promise<void> {
    const { ledger } = this.#components;
    if (!this.#started) await this.#restoreMetric();
    const newest = await ledger.rounds.latestClosed();
    if (newest !== null && !(await ledger.steps.done(newest.round.cycle, PLANNED_STEP))) {
      await this.#plan(newest.round, head, weightIntentId(this.#options.netuid, newest.round.id));
      await ledger.steps.mark(newest.round.cycle, PLANNED_STEP, { block: head.number });
    }
    for (const intent of await ledger.intents.active()) await this.#follow(intent, head);
  }

  async #follow(intent: WeightIntent, head: ChainHead): Promise<void> {
    if (intent.state !== "committed" && intent.state !== "revealed") return await this.#keepAlive(intent, head);
    const finding = await this.#reveals.look(intent);
    if (finding === "due") await this.#keepAlive(intent, head);
    if (finding === "lost") await this.#repair(intent, head);
  }

  /** Plans weights again whose reveal was lost, unless newer ones are planned. The plan comes before the end of the old. */
  async #repair(intent: WeightIntent, head: ChainHead): Promise<void> {
    const { ledger } = this.#components;
    const record = await ledger.rounds.get(intent.roundId);
    const isNewest = (await ledger.intents.latest())?.id === intent.id;
    if (record !== null && isNewest) await this.#plan(record.round, head, repairIntentId(intent.id));
    await this.#reveals.end(intent);
  }

  async #restoreMetric(): Promise<void> {
    const { ledger, metrics } = this.#components;
    metrics.setWeightsSuccess.set((await ledger.intents.latestResult())?.state === "verified" ? 1 : 0);
    this.#started = true;
  }

  async #plan(round: Round, head: ChainHead, id: string): Promise<void> {
    const { chain, ledger } = this.#components;
    const { netuid, network } = this.#options;
    // Planned, and killed before the step was marked: the plan stands, read at its own block.
    if ((await ledger.intents.get(id)) !== null) return;
    const snapshot = await chain.snapshot(netuid, head.hash);
    const book: ScoreBook = new Map((await ledger.scores.book()).map((state) => [state.uid, state]));
    const registered = entriesStillRegistered(book, snapshot.neurons);
    const { uids, weights } = weightVector([...registered].map(([uid, entry]) => [uid, entry.ema] as const));
    if (uids.length === 0) return await this.#planNothing(round, head);
    await ledger.intents.plan({
      id,
      netuid,
      roundId: round.id,
      uids,
      weights,
      versionKey: snapshot.hyperparameters.weightsVersionKey,
      plannedBlock: head.number,
      deadlineBlock: head.number + cycleLength(network.schedule),
    });
  }

  async #planNothing({ id: roundId }: Round, { number: block }: ChainHead): Promise<void> {
    const { ledger, logger } = this.#components;
    const fields = { roundId, reason: "no_positive_score" };
    await ledger.events.append({ kind: "weights_not_set", block, fields });
    logger.warn("No weights to set: no miner has a positive score", { round: roundId });
  }

  /** The intent is still open, so a job that ended without settling it (a lost Redis, used-up attempts) runs again. */
  async #keepAlive(intent: WeightIntent, { number: block }: ChainHead): Promise<void> {
    const { weights } = this.#components;
    const id = weightJobId(intent.id);
    const state = await weights.settle(id, { intentId: intent.id, deadlineBlock: intent.deadlineBlock });
    if (state.kind === "open") return;
    if (state.kind === "failed") {
      const failedAt = this.#failedAt.get(id) ?? block;
      this.#failedAt.set(id, failedAt);
      if (block < Math.min(failedAt + REST_BLOCKS, intent.deadlineBlock)) return;
    }
    this.#failedAt.delete(id);
    await weights.forget(id);
  }
}
