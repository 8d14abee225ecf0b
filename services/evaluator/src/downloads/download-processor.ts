import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { DownloadJob } from "@assay/core/jobs/catalog";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import { shortHotkey } from "../short-hotkey.ts";
import { receiptFault } from "./check-receipt.ts";
import { type FetchComponents, fetchSubmission, type Inspected, type PullOptions } from "./fetch-submission.ts";

/**
 * Blocks for which a hint waits for its round to be planned. That happens when the first block of Submission is final,
 * so the first hints of a round come before.
 */
const PLAN_PATIENCE_BLOCKS = 20;

export interface DownloadProcessorComponents extends FetchComponents {
  readonly chain: Pick<ChainClient, "head" | "onHead" | "hotkey">;
  readonly ledger: Pick<Ledger, "rounds">;
  readonly inbox: Inbox;
  readonly layout: CheckpointLayout;
  readonly logger: Logger;
}

/**
 * Fetches and inspects one submission: from the inbox when it was pushed, from its URL when it is to be pulled.
 *
 * Safe to repeat: what an attempt leaves is replaced by the next. Resolves with what became of the submission; throws
 * only for our own failures and for URLs that did not answer, which the queue tries again.
 */
export function createDownloadProcessor(components: DownloadProcessorComponents, options: PullOptions) {
  const { chain, inbox, logger } = components;
  return async function processDownload(
    { payload: job }: ReceivedJob<"downloads">,
    signal: AbortSignal,
  ): Promise<DownloadOutcome> {
    const key = { roundId: job.roundId, uid: job.uid, hotkey: job.hotkey };
    if (chain.head().number > job.deadlineBlock) return { ...key, kind: "expired" };
    const receipt = await inbox.read(job.roundId, job.hotkey);
    if (receipt === null) throw notReady(job, "The receipt of this job is not there yet");

    const round = await plannedRound(job, signal);
    const entry = round.roster.find((each) => each.uid === job.uid && each.hotkey === job.hotkey);
    const outcome = await judge(round, entry, receipt, signal);
    if (outcome.kind === "rejected") {
      const { reason, detail } = outcome;
      logger.info("Rejected submission", { round: job.roundId, uid: job.uid, reason, detail });
    }
    return { ...key, ...outcome };
  };

  async function judge(
    round: Round,
    entry: RosterEntry | undefined,
    receipt: SubmissionReceipt,
    signal: AbortSignal,
  ): Promise<Inspected> {
    if (entry === undefined) return { kind: "rejected", reason: "not_committed", detail: "not on the round's roster" };
    logger.info(`Downloading checkpoint for hotkey ${shortHotkey(entry.hotkey)}`, {
      group: entry.group,
      round: round.id,
      uid: entry.uid,
      source: receipt.source.kind,
    });
    const fault = receiptFault(round, entry, receipt, chain.hotkey);
    if (fault !== null) return { kind: "rejected", ...fault };
    return await fetchSubmission({ round, entry, source: receipt.source }, components, options, signal);
  }

  async function plannedRound(job: DownloadJob, signal: AbortSignal): Promise<Round> {
    const patientUntil = chain.head().number + PLAN_PATIENCE_BLOCKS;
    for (;;) {
      const record = await components.ledger.rounds.get(job.roundId);
      if (record !== null) return record.round;
      const { number } = chain.head();
      if (number >= patientUntil) throw notReady(job, "The round of this job is not planned yet");
      await blockReached(chain, number + 1, signal);
    }
  }
}

function notReady({ roundId, uid }: DownloadJob, message: string): EvaluatorError {
  return new EvaluatorError(EvaluatorErrorCode.JobTooEarly, message, { retryable: true, fields: { roundId, uid } });
}
