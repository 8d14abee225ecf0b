import type { ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { downloadJobId } from "@assay/core/jobs/catalog";
import type { Round } from "@assay/core/round/round";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { type Receipts, readReceipts } from "./receipts.ts";

export interface DownloadDutyComponents {
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly downloads: JobBoard<"downloads">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/**
 * Sees to it that every submission in the inbox is fetched and inspected, and writes down what came of it.
 *
 * A failure is recorded once the job's attempts are used up and is not tried again: nothing waits for it, and it costs
 * the miner nothing.
 */
export class DownloadDuty implements Duty {
  readonly name = "downloads";
  readonly #components: DownloadDutyComponents;
  /** Paths of receipts that were complained about. */
  readonly #reported = new Set<unknown>();
  #started = false;

  constructor(components: DownloadDutyComponents) {
    this.#components = components;
  }

  async run(_head: ChainHead): Promise<void> {
    const { ledger, inbox, metrics } = this.#components;
    if (!this.#started) await this.#restoreMetric();
    for (const { round } of await ledger.rounds.open()) {
      const found = await readReceipts(round, inbox);
      this.#reportUnreadable(round, found);
      // Rounds come oldest first, so the newest one's number stays.
      metrics.submissionsPerCycle.set(found.arrived.size);
      const settled = await this.#settledUids(round);
      for (const receipt of found.receipts) {
        if (!settled.has(receipt.uid)) await this.#advance(round, receipt);
      }
    }
  }

  /** The newest round may be closed, and its inbox emptied. */
  async #restoreMetric(): Promise<void> {
    const { ledger, metrics } = this.#components;
    const newest = await ledger.rounds.latestClosed();
    if (newest !== null) metrics.submissionsPerCycle.set((await this.#settledUids(newest.round)).size);
    this.#started = true;
  }

  #reportUnreadable(round: Round, { unreadable }: Receipts): void {
    for (const error of unreadable) {
      const { path } = error.fields;
      if (this.#reported.has(path)) continue;
      this.#reported.add(path);
      this.#components.logger.error("A receipt cannot be read and is left out", { round: round.id }, error);
    }
  }

  async #settledUids(round: Round): Promise<Set<number>> {
    const { ledger } = this.#components;
    const [submissions, evaluations] = await Promise.all([
      ledger.submissions.list(round.id),
      ledger.evaluations.list(round.id),
    ]);
    return new Set([...submissions.filter((each) => each.kind !== "none"), ...evaluations].map((each) => each.uid));
  }

  async #advance(round: Round, receipt: SubmissionReceipt): Promise<void> {
    const { downloads } = this.#components;
    const { uid, hotkey } = receipt;
    const id = downloadJobId(round.id, uid);
    const deadlineBlock = round.evaluationDeadline;
    const state = await downloads.settle(id, { roundId: round.id, uid, hotkey, deadlineBlock });
    if (state.kind === "completed") await this.#record(state.outcome);
    if (state.kind !== "failed") return;
    // The hint came long before the round was planned and used up its attempts: now there is a round.
    if (state.code === EvaluatorErrorCode.JobTooEarly) await downloads.forget(id);
    else await this.#recordFailure(receipt, state.message);
  }

  async #record(outcome: DownloadOutcome): Promise<void> {
    const { ledger, metrics } = this.#components;
    await ledger.submissions.record(outcome);
    metrics.downloads.inc({ kind: outcome.kind, reason: outcome.kind === "rejected" ? outcome.reason : "" });
  }

  async #recordFailure({ roundId, uid, hotkey, source }: SubmissionReceipt, message: string): Promise<void> {
    const { ledger, metrics, logger } = this.#components;
    const code = EvaluatorErrorCode.DownloadFailed;
    await ledger.evaluations.record({ kind: "failed", roundId, uid, hotkey, code, message });
    metrics.downloads.inc({ kind: "failed", reason: "" });
    logger.warn("Submission could not be fetched", { round: roundId, uid, source: source.kind, why: message });
  }
}
