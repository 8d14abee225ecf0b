import type { ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { downloadJobId } from "@assay/core/jobs/catalog";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";

export interface DownloadDutyComponents {
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly downloads: JobBoard<"downloads">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** Sees to it that every submission in the inbox is fetched and inspected, and writes down what came of it. */
export class DownloadDuty implements Duty {
  readonly name = "downloads";
  readonly #components: DownloadDutyComponents;

  constructor(components: DownloadDutyComponents) {
    this.#components = components;
  }

  async run(_head: ChainHead): Promise<void> {
    const { ledger, inbox, metrics } = this.#components;
    for (const { round } of await ledger.rounds.open()) {
      const receipts = await inbox.list(round.id);
      metrics.submissionsPerCycle.set(receipts.length);
      const settled = await this.#settledUids(round);
      for (const receipt of receipts) {
        const entry = round.roster.find((each) => each.uid === receipt.uid && each.hotkey === receipt.hotkey);
        if (entry && !settled.has(entry.uid)) await this.#advance(round, entry, receipt);
      }
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

  async #advance(round: Round, entry: RosterEntry, receipt: SubmissionReceipt): Promise<void> {
    const { ledger, downloads, metrics, logger } = this.#components;
    const { uid, hotkey } = entry;
    const id = downloadJobId(round.id, uid);
    const deadlineBlock = round.evaluationDeadline;
    const state = await downloads.settle(id, { roundId: round.id, uid, hotkey, deadlineBlock });
    if (state.kind === "open") return;
    // The hint came before the round was planned, and used up its attempts waiting for it: now there is a round.
    if (state.kind === "failed" && state.message.startsWith(EvaluatorErrorCode.JobTooEarly)) {
      await downloads.forget(id);
      return;
    }
    if (state.kind === "failed") {
      // Ours or the network's: it costs the miner nothing.
      const code = EvaluatorErrorCode.DownloadFailed;
      await ledger.evaluations.record({ kind: "failed", roundId: round.id, uid, hotkey, code, message: state.message });
      metrics.downloads.inc({ kind: "failed", reason: "" });
      logger.warn("Submission could not be fetched", {
        round: round.id,
        uid,
        source: receipt.source.kind,
        why: state.message,
      });
      return;
    }
    await ledger.submissions.record(state.outcome);
    metrics.downloads.inc({
      kind: state.outcome.kind,
      reason: state.outcome.kind === "rejected" ? state.outcome.reason : "",
    });
  }
}
