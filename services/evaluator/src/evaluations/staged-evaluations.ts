import { evaluationJobId } from "@assay/core/jobs/catalog";
import type { Round } from "@assay/core/round/round";
import { type ContestMoment, type ContestStanding, contestStanding } from "@assay/core/scoring/sequential/contest";
import type { Stop } from "@assay/core/scoring/sequential/decide-stage";
import { type SequentialRules, type Stage, stagesOf } from "@assay/core/scoring/sequential/stages";
import type { Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { evaluationJob } from "./evaluation-job.ts";
import { logEvaluation } from "./evaluation-line.ts";
import type { Accepted, RoundWork } from "./round-work.ts";
import { outcomeOfStages, stageResult, stagesByUid } from "./stage-outcomes.ts";

export interface StagedEvaluationsComponents {
  readonly ledger: Ledger;
  readonly evaluations: JobBoard<"evaluations">;
  readonly logger: Logger;
}

export interface StagedEvaluationsOptions {
  readonly rules: SequentialRules;
  /** Held-out sequences of a round. */
  readonly sequences: number;
}

/** A round while its submissions are measured. */
export interface StagedRound {
  readonly round: Round;
  readonly seed: string;
  readonly work: Pick<RoundWork, "accepted" | "toMeasure" | "complete">;
  /** No time is left: what there is counts. */
  readonly closing: boolean;
  /** Smaller is sooner. */
  readonly rankOf: (entry: Accepted) => number;
}

/**
 * Measures a round's submissions stage by stage, each group for itself.
 *
 * What stages gave is in the ledger and what was decided follows from it, so a restart between any two steps goes on
 * where it was, and a lost Redis costs the stages under way.
 */
export class StagedEvaluations {
  readonly #components: StagedEvaluationsComponents;
  readonly #rules: SequentialRules;
  readonly #stages: readonly Stage[];

  constructor(components: StagedEvaluationsComponents, { rules, sequences }: StagedEvaluationsOptions) {
    this.#components = components;
    this.#rules = rules;
    this.#stages = stagesOf(rules, sequences);
  }

  /** Asks for what is to be measured next. Returns what each that waits and is not measured on came to. */
  async advance(staged: StagedRound): Promise<readonly EvaluationRecord[]> {
    const { round, work, closing } = staged;
    const waiting = new Set(work.toMeasure.map(({ uid }) => uid));
    for (;;) {
      const outcomes = stagesByUid(await this.#components.ledger.evaluationStages.list(round.id));
      const entered = work.accepted.filter(({ uid }) => waiting.has(uid) || outcomes.has(uid));
      const groups = [...Map.groupBy(entered, ({ group }) => group).values()];
      const standings = groups.map((entries) =>
        this.#standing(entries, outcomes, { complete: work.complete, closing }),
      );
      // What an ended stage leads to is asked for at once and not a block later.
      if (await this.#settleAll(staged, standings)) continue;
      return standings.flatMap((standing) => this.#ended(standing, outcomes, waiting));
    }
  }

  #standing(
    group: readonly Accepted[],
    outcomes: ReadonlyMap<Uid, readonly EvaluationRecord[]>,
    moment: ContestMoment,
  ): ContestStanding {
    const entrants = group.map(({ uid }) => ({ uid, results: (outcomes.get(uid) ?? []).map(stageResult) }));
    return contestStanding(entrants, { ...this.#rules, stages: this.#stages.length }, moment);
  }

  /** Whether a stage came to an end and was written down. */
  async #settleAll(staged: StagedRound, standings: readonly ContestStanding[]): Promise<boolean> {
    const entries = new Map(staged.work.accepted.map((entry) => [entry.uid, entry]));
    let hasEnded = false;
    for (const { uid, stage } of standings.flatMap(({ asks }) => asks)) {
      const entry = entries.get(uid);
      const outcome = entry === undefined ? null : await this.#settle(staged, entry, stage);
      if (outcome === null) continue;
      await this.#components.ledger.evaluationStages.record({ stage, outcome });
      hasEnded = true;
    }
    return hasEnded;
  }

  async #settle(
    { round, seed, rankOf }: StagedRound,
    entry: Accepted,
    stage: number,
  ): Promise<EvaluationRecord | null> {
    const { evaluations, logger } = this.#components;
    const { uid, hotkey } = entry;
    const batches = this.#stages[stage];
    if (batches === undefined) throw new RangeError(`There is no stage ${stage}`);
    const job = { ...evaluationJob(round, seed, entry), stage: batches };
    const state = await evaluations.settle(evaluationJobId(round.id, uid, stage), job, { priority: rankOf(entry) });
    if (state.kind === "completed") return state.outcome;
    if (state.kind === "open") return null;
    const { message } = state;
    const code = state.code ?? EvaluatorErrorCode.EvaluationFailed;
    logger.warn("Stage of a submission could not be measured", { round: round.id, uid, stage, code, why: message });
    return { kind: "failed", roundId: round.id, uid, hotkey, code, message };
  }

  #ended(
    { over, stops }: ContestStanding,
    outcomes: ReadonlyMap<Uid, readonly EvaluationRecord[]>,
    waiting: ReadonlySet<Uid>,
  ): readonly EvaluationRecord[] {
    return [...over]
      .filter((uid) => waiting.has(uid))
      .flatMap((uid) => {
        const outcome = outcomeOfStages(outcomes.get(uid) ?? []);
        if (outcome?.kind === "scored") this.#log(outcome, stops.get(uid));
        return outcome ?? [];
      });
  }

  #log(outcome: Extract<EvaluationRecord, { kind: "scored" }>, stop: Stop | undefined): void {
    const batches = outcome.batchLosses.length;
    logEvaluation(this.#components.logger, outcome, { batches, ...(stop && { stopped: stop.reason }) });
  }
}
