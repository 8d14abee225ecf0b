import { evaluationJobId } from "@assay/core/jobs/catalog";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import { type ContestMoment, type ContestStanding, contestStanding } from "@assay/core/scoring/sequential/contest";
import type { Stop } from "@assay/core/scoring/sequential/decide-stage";
import { type SequentialRules, type Stage, stagesOf } from "@assay/core/scoring/sequential/stages";
import type { Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { logEvaluation } from "./evaluation-line.ts";
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

/** An accepted submission with its place on the roster. */
export interface AcceptedEntry extends RosterEntry {
  readonly submission: Extract<DownloadOutcome, { kind: "accepted" }>;
}

/** A round while its submissions are measured. */
export interface StagedRound extends ContestMoment {
  readonly round: Round;
  readonly seed: string;
  /** All that were accepted, also those of which an evaluation is recorded already. */
  readonly accepted: readonly AcceptedEntry[];
  /** Of whom an evaluation is to be recorded. */
  readonly waiting: ReadonlySet<Uid>;
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
    const { round, accepted, waiting } = staged;
    for (;;) {
      const outcomes = stagesByUid(await this.#components.ledger.evaluationStages.list(round.id));
      const entered = accepted.filter(({ uid }) => waiting.has(uid) || outcomes.has(uid));
      const groups = [...Map.groupBy(entered, ({ group }) => group).values()];
      const standings = groups.map((entries) => this.#standing(entries, outcomes, staged));
      // What an ended stage leads to is asked for at once and not a block later.
      if (await this.#settleAll(staged, standings)) continue;
      return standings.flatMap((standing) => this.#ended(standing, outcomes, waiting));
    }
  }

  #standing(
    group: readonly AcceptedEntry[],
    outcomes: ReadonlyMap<Uid, readonly EvaluationRecord[]>,
    moment: ContestMoment,
  ): ContestStanding {
    const entrants = group.map(({ uid }) => ({ uid, results: (outcomes.get(uid) ?? []).map(stageResult) }));
    return contestStanding(entrants, { ...this.#rules, stages: this.#stages.length }, moment);
  }

  /** Whether a stage came to an end and was written down. */
  async #settleAll(staged: StagedRound, standings: readonly ContestStanding[]): Promise<boolean> {
    const entries = new Map(staged.accepted.map((entry) => [entry.uid, entry]));
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
    { round, seed }: StagedRound,
    { uid, hotkey, group, submission }: AcceptedEntry,
    stage: number,
  ): Promise<EvaluationRecord | null> {
    const { evaluations, logger } = this.#components;
    const batches = this.#stages[stage];
    if (batches === undefined) throw new RangeError(`There is no stage ${stage}`);
    const state = await evaluations.settle(evaluationJobId(round.id, uid, stage), {
      roundId: round.id,
      uid,
      hotkey,
      group,
      baseVersion: round.baseVersion,
      submissionPath: submission.path,
      submissionSha256: submission.sha256,
      seed,
      stage: batches,
      deadlineBlock: round.evaluationDeadline,
    });
    if (state.kind === "completed") return state.outcome;
    if (state.kind === "open") return null;
    logger.warn("Stage of a submission could not be measured", { round: round.id, uid, stage, why: state.message });
    const code = EvaluatorErrorCode.EvaluationFailed;
    return { kind: "failed", roundId: round.id, uid, hotkey, code, message: state.message };
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
