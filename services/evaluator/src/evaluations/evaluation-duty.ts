import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { evaluationJobId } from "@assay/core/jobs/catalog";
import type { Network } from "@assay/core/network";
import type { RosterEntry, Round } from "@assay/core/round/round";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import type { RoundId, Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { RoundRecord } from "@assay/ledger/rounds";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { readReceipts } from "../downloads/receipts.ts";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { evaluationJob } from "./evaluation-job.ts";
import { evaluationRanks } from "./evaluation-ranks.ts";
import { RoundForecast } from "./round-forecast.ts";
import { type Accepted, roundWork } from "./round-work.ts";
import { StagedEvaluations } from "./staged-evaluations.ts";
import { TextWatch } from "./text-watch.ts";

export interface EvaluationDutyComponents {
  readonly chain: Pick<ChainClient, "finalizedBlockHash">;
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly evaluations: JobBoard<"evaluations">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** What is kept in memory of an open round; a restart makes it anew. */
interface WatchedRound {
  readonly ranks: ReadonlyMap<Uid, number>;
  readonly forecast: RoundForecast;
  readonly texts: TextWatch;
}

/**
 * Sees to it that every accepted submission is measured, the most urgent first and equal files once, and writes down
 * what came of it.
 *
 * Nothing is measured before submissions are closed and the block that seeds the held-out text is final. A failure is
 * recorded once the job's attempts are used up and is not tried again: no round waits for it, and it costs the miner
 * nothing.
 */
export class EvaluationDuty implements Duty {
  readonly name = "evaluations";
  readonly #components: EvaluationDutyComponents;
  readonly #network: Pick<Network, "blockMillis">;
  /** Null where the network measures everybody on all batches. */
  readonly #staged: StagedEvaluations | null;
  readonly #watched = new Map<RoundId, WatchedRound>();

  constructor(components: EvaluationDutyComponents, network: Pick<Network, "blockMillis" | "evaluation">) {
    const { sequential: rules, sequences } = network.evaluation;
    this.#components = components;
    this.#network = network;
    this.#staged = rules === undefined ? null : new StagedEvaluations(components, { rules, sequences });
  }

  async run(head: ChainHead): Promise<void> {
    const open = await this.#components.ledger.rounds.open();
    this.#forgetAllBut(open);
    for (const record of open) {
      const seed = await this.#seedOf(record);
      const watched = await this.#watch(record.round);
      if (seed === null) await watched.forecast.ofCommitted(head);
      else await this.#advance(record.round, seed, watched, head);
    }
  }

  async #seedOf({ round, seed }: RoundRecord): Promise<string | null> {
    if (seed !== null) return seed;
    const hash = await this.#components.chain.finalizedBlockHash(round.seedBlock);
    if (hash === null) return null;
    const derived = roundSeed(combinedSeed(new Map()), hash);
    await this.#components.ledger.rounds.setSeed(round.id, derived);
    return derived;
  }

  async #watch(round: Round): Promise<WatchedRound> {
    const known = this.#watched.get(round.id);
    if (known !== undefined) return known;
    const ranks = await evaluationRanks(round, this.#components.ledger);
    const options = { round, ranks, blockMillis: this.#network.blockMillis };
    const forecast = new RoundForecast(this.#components, options);
    const watched = { ranks, forecast, texts: new TextWatch(this.#components) };
    this.#watched.set(round.id, watched);
    return watched;
  }

  #forgetAllBut(open: readonly RoundRecord[]): void {
    const ids = new Set(open.map(({ round }) => round.id));
    for (const id of this.#watched.keys()) if (!ids.has(id)) this.#watched.delete(id);
  }

  async #advance(round: Round, seed: string, watched: WatchedRound, head: ChainHead): Promise<void> {
    const { ledger, inbox } = this.#components;
    const { receipts } = await readReceipts(round, inbox);
    const submissions = await ledger.submissions.list(round.id);
    const before = await ledger.evaluations.list(round.id);
    const arrived = new Set(receipts.map(({ uid }) => uid));
    const work = roundWork(round, { submissions, evaluations: before, arrived });
    const { toMeasure, duplicates } = work;
    for (const { entry, first } of duplicates) await this.#rejectDuplicate(round, entry, first);
    const rankOf = ({ uid }: Accepted) => watched.ranks.get(uid) ?? watched.ranks.size;
    if (this.#staged === null) {
      for (const entry of toMeasure) await this.#settle(round, seed, entry, rankOf(entry));
    } else {
      const closing = head.number >= round.evaluationDeadline;
      const ended = await this.#staged.advance({ round, seed, work, closing, rankOf });
      for (const outcome of ended) await this.#record(outcome);
    }
    const evaluations = await ledger.evaluations.list(round.id);
    const ended = new Set(evaluations.map(({ uid }) => uid));
    await watched.forecast.ofAccepted(
      toMeasure.filter(({ uid }) => !ended.has(uid)),
      evaluations,
      head,
    );
    watched.texts.look(round, evaluations);
  }

  async #rejectDuplicate(round: Round, { uid, hotkey, commitment }: Accepted, first: RosterEntry): Promise<void> {
    const detail = `committed at block ${commitment?.block}, by uid ${first.uid} at block ${first.commitment?.block}`;
    await this.#record({ kind: "rejected", roundId: round.id, uid, hotkey, reason: "duplicate", detail });
    this.#components.logger.info("Rejected submission", { round: round.id, uid, reason: "duplicate", detail });
  }

  async #settle(round: Round, seed: string, entry: Accepted, priority: number): Promise<void> {
    const { evaluations, logger } = this.#components;
    const { uid, hotkey } = entry;
    const job = evaluationJob(round, seed, entry);
    const state = await evaluations.settle(evaluationJobId(round.id, uid), job, { priority });
    if (state.kind === "completed") await this.#record(state.outcome);
    if (state.kind === "failed") {
      const { message } = state;
      const code = state.code ?? EvaluatorErrorCode.EvaluationFailed;
      await this.#record({ kind: "failed", roundId: round.id, uid, hotkey, code, message });
      logger.warn("Submission could not be measured", { round: round.id, uid, code, why: message });
    }
  }

  async #record(outcome: EvaluationRecord): Promise<void> {
    const { ledger, metrics } = this.#components;
    await ledger.evaluations.record(outcome);
    metrics.evaluations.inc({ kind: outcome.kind, reason: reasonOf(outcome) });
  }
}

function reasonOf(outcome: EvaluationRecord): string {
  if (outcome.kind === "rejected") return outcome.reason;
  return outcome.kind === "failed" ? outcome.code : "";
}
