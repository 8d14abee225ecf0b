import type { ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Network } from "@assay/core/network";
import { scoringPolicy } from "@assay/core/scoring/policies/policies";
import { type RoundFindings, type RoundScore, roundScores } from "@assay/core/scoring/round-scores";
import type { ScoreBook } from "@assay/core/scoring/score-book";
import type { Ledger } from "@assay/ledger/ledger";
import type { ClosingFindings } from "@assay/ledger/receipts";
import type { RoundRecord } from "@assay/ledger/rounds";
import type { Logger } from "@assay/runtime/logging/logger";
import { cycleWindows } from "../cycle/cycle-windows.ts";
import type { Duty } from "../cycle/duty.ts";
import { type RoundProgress, readRoundProgress } from "../cycle/round-progress.ts";
import type { SubmissionDoor } from "../cycle/submission-door.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface CloseRoundComponents {
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly door: SubmissionDoor;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface CloseRoundOptions {
  readonly network: Network;
  /** Weight of the old value in the moving average. */
  readonly weightOfOld: number;
}

/** Makes a round's scores final: from its merge phase on as soon as all is measured, at the deadline in any case. */
export class CloseRoundDuty implements Duty {
  readonly name = "close-round";
  readonly #components: CloseRoundComponents;
  readonly #options: CloseRoundOptions;
  #started = false;

  constructor(components: CloseRoundComponents, options: CloseRoundOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { ledger, inbox, metrics } = this.#components;
    if (!this.#started) await this.#restoreMetric();
    const open = await ledger.rounds.open();
    metrics.roundsOpen.set(open.length);
    // Oldest first, and no round before its predecessor: the moving average has an order.
    for (const [index, record] of open.entries()) {
      const progress = await readRoundProgress(record.round, ledger, inbox);
      if (!this.#isDue(head, record, progress)) return;
      await this.#close(head, record, progress);
      metrics.roundsOpen.set(open.length - index - 1);
    }
  }

  async #restoreMetric(): Promise<void> {
    const { ledger, metrics } = this.#components;
    const newest = await ledger.rounds.latestClosed();
    if (newest !== null) metrics.averageW.set(mean((await ledger.scores.rows(newest.round.id)).filter(isMeasured)));
    this.#started = true;
  }

  #isDue(head: ChainHead, { round, seed }: RoundRecord, progress: RoundProgress): boolean {
    if (head.number > round.evaluationDeadline) return true;
    const { mergeFirst } = cycleWindows(round.cycle, this.#options.network.schedule);
    return head.number >= mergeFirst && seed !== null && progress.settled === progress.arrived.size;
  }

  async #close(head: ChainHead, { round }: RoundRecord, progress: RoundProgress): Promise<void> {
    const { ledger, door, metrics, logger } = this.#components;
    const book: ScoreBook = new Map((await ledger.scores.book()).map((state) => [state.uid, state]));
    const findings = { round, ...progress, doorWasOpen: await door.wasOpen(round) };
    const { network, weightOfOld } = this.#options;
    const policy = scoringPolicy(network.evaluation.policy);
    const scores = roundScores(findings, book, { policy, weightOfOld });
    if (!(await ledger.scores.closeRound(round.id, scores, closingFindings(findings)))) return;
    const measured = scores.rows.filter(isMeasured);
    metrics.averageW.set(mean(measured));
    const minutes = ((head.number - round.seedBlock) * network.blockMillis) / 60_000;
    logger.info(`Evaluated ${progress.settled}/${progress.arrived.size} submissions in ${minutes.toFixed(1)} minutes`, {
      round: round.id,
      scored: measured.length,
      zeroes: scores.rows.filter((row) => row.w === 0 && row.lossAfter === null).length,
      avgWI: Number(mean(measured).toFixed(6)),
    });
  }
}

/** What the scores are made of, as of now: rows may still be added. */
function closingFindings({ doorWasOpen, arrived, submissions, evaluations }: RoundFindings): ClosingFindings {
  return {
    doorWasOpen,
    arrived: [...arrived],
    submissions: submissions.filter(({ kind }) => kind !== "none").map(({ uid }) => uid),
    evaluations: evaluations.filter(({ kind }) => kind !== "failed").map(({ uid }) => uid),
    failures: evaluations.filter((evaluation) => evaluation.kind === "failed"),
  };
}

function isMeasured(row: RoundScore): boolean {
  return row.lossAfter !== null;
}

function mean(rows: readonly RoundScore[]): number {
  return rows.length === 0 ? 0 : rows.reduce((sum, row) => sum + row.w, 0) / rows.length;
}
