import type { ChainHead } from "@assay/chain/chain-client";
import { firstCommitters } from "@assay/core/round/duplicates";
import {
  type Candidate,
  type EvaluationForecast,
  forecastEvaluations,
  type SpeedFacts,
} from "@assay/core/round/evaluation-plan";
import type { Round } from "@assay/core/round/round";
import type { Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { LogFields } from "@assay/runtime/logging/log-record";
import type { Logger } from "@assay/runtime/logging/logger";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";

export interface RoundForecastComponents {
  readonly ledger: Ledger;
  readonly evaluations: JobBoard<"evaluations">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface RoundForecastOptions {
  readonly round: Round;
  /** The place of every miner in the round's order. */
  readonly ranks: ReadonlyMap<Uid, number>;
  readonly blockMillis: number;
}

/** Whose submissions a forecast is about: those that were promised, or those that are here. */
type Basis = "committed" | "accepted";

/** Measurements that the expected time comes from: some rounds of a large subnet. */
const RECENT_MEASUREMENTS = 512;

/** Says before and while a round is measured how much of it will be done by its deadline. Nothing is decided by it. */
export class RoundForecast {
  readonly #components: RoundForecastComponents;
  readonly #options: RoundForecastOptions;
  readonly #told = new Set<Basis>();
  /** What the newest forecast was about. */
  #about = "";
  #hasWarned = false;

  constructor(components: RoundForecastComponents, options: RoundForecastOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** Before submissions are closed, as if everybody who committed submits. */
  async ofCommitted(head: ChainHead): Promise<void> {
    await this.#update("committed", firstCommitters(this.#options.round.roster), [], head);
  }

  /** While submissions are measured; a new forecast only when there is more to measure than was known. */
  async ofAccepted(
    toMeasure: readonly Candidate[],
    evaluations: readonly EvaluationRecord[],
    head: ChainHead,
  ): Promise<void> {
    await this.#update("accepted", toMeasure, evaluations.filter(isNoDuplicate), head);
  }

  async #update(
    basis: Basis,
    toMeasure: readonly Candidate[],
    ended: readonly EvaluationRecord[],
    head: ChainHead,
  ): Promise<void> {
    const { metrics } = this.#components;
    const measured = ended.filter(isMeasured);
    metrics.roundSubmissionsEvaluated.set(measured.length);
    metrics.roundSecondsEvaluated.set(secondsOf(measured));
    const uids = [...toMeasure, ...ended].map(({ uid }) => uid).sort((a, b) => a - b);
    const about = `${basis} ${uids.join(" ")}`;
    if (this.#about === about) return;
    const facts = await this.#speedFacts(head);
    const forecast = forecastEvaluations(this.#inOrder(toMeasure), facts);
    this.#show(forecast, measured, facts);
    this.#tell(basis, toMeasure.length, forecast, facts);
    this.#about = about;
  }

  async #speedFacts(head: ChainHead): Promise<SpeedFacts> {
    const { ledger, evaluations } = this.#components;
    const { round, blockMillis } = this.#options;
    const from = Math.max(head.number, round.seedBlock);
    return {
      speeds: await ledger.evaluations.recentSpeeds(RECENT_MEASUREMENTS),
      concurrency: await evaluations.concurrency(),
      secondsLeft: Math.max(0, ((round.evaluationDeadline - from) * blockMillis) / 1000),
    };
  }

  #inOrder(candidates: readonly Candidate[]): readonly Candidate[] {
    const rankOf = ({ uid }: Candidate) => this.#options.ranks.get(uid) ?? Number.POSITIVE_INFINITY;
    return [...candidates].sort((a, b) => rankOf(a) - rankOf(b));
  }

  /** A series that nobody can know is taken away: 0 would be a number like any other. */
  #show(forecast: EvaluationForecast | null, measured: readonly EvaluationRecord[], { concurrency }: SpeedFacts): void {
    const { metrics } = this.#components;
    if (concurrency === null) metrics.evaluationConcurrency.remove();
    else metrics.evaluationConcurrency.set(concurrency);
    if (forecast === null) {
      metrics.roundSubmissionsForecast.remove();
      metrics.roundSecondsForecast.remove();
    } else {
      metrics.roundSubmissionsForecast.set(measured.length + forecast.fit);
      metrics.roundSecondsForecast.set(secondsOf(measured) + forecast.deviceSeconds);
    }
  }

  #tell(basis: Basis, submissions: number, forecast: EvaluationForecast | null, facts: SpeedFacts): void {
    const { logger } = this.#components;
    const numbers: LogFields = {
      round: this.#options.round.id,
      basis,
      submissions,
      fit: forecast?.fit ?? "unknown",
      seconds: rounded(forecast?.seconds ?? null),
      concurrency: facts.concurrency ?? "unknown",
      secondsLeft: rounded(facts.secondsLeft),
    };
    if (!this.#told.has(basis)) logger.info("Evaluation forecast", numbers);
    this.#told.add(basis);
    if (this.#hasWarned || forecast === null || forecast.fit === submissions) return;
    logger.warn("Not all submissions fit before the deadline: add workers or faster devices", numbers);
    this.#hasWarned = true;
  }
}

function isNoDuplicate(record: EvaluationRecord): boolean {
  return record.kind !== "rejected" || record.reason !== "duplicate";
}

function isMeasured({ kind }: EvaluationRecord): boolean {
  return kind === "scored" || kind === "rejected";
}

/** Rejected measurements do not say how long they took. */
function secondsOf(records: readonly EvaluationRecord[]): number {
  return records.reduce((sum, record) => sum + (record.kind === "scored" ? record.seconds : 0), 0);
}

function rounded(seconds: number | null): number | "unknown" {
  return seconds === null ? "unknown" : Number(seconds.toFixed(1));
}
