import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ChainHead } from "@assay/chain/chain-client";
import { type DownloadOptions, downloadFile } from "@assay/checkpoint/download/download-file";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { inspectSubmission, largestSubmission } from "@assay/checkpoint/inspect";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { TensorShape } from "@assay/checkpoint/safetensors/dtype";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { DownloadOutcome, RejectionReason } from "@assay/core/scoring/outcome";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Sha256Hex } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import { shortHotkey } from "../short-hotkey.ts";
import { receiptFault } from "./check-receipt.ts";

export interface DownloadProcessorComponents {
  readonly chain: { head(): ChainHead };
  readonly ledger: Pick<Ledger, "rounds">;
  readonly inbox: Inbox;
  readonly store: CheckpointStore;
  readonly layout: CheckpointLayout;
  readonly logger: Logger;
}

export interface DownloadProcessorOptions {
  /** Limits of a pull; the byte limit comes from the group's own size. */
  readonly pull: DownloadOptions;
}

/**
 * Fetches and inspects one submission: from the inbox when it was pushed, from its URL when it is to be pulled.
 *
 * Safe to repeat: what an attempt leaves is replaced by the next. Resolves with what became of the submission; throws
 * only for our own failures and for URLs that did not answer, which the queue tries again.
 */
export function createDownloadProcessor(components: DownloadProcessorComponents, options: DownloadProcessorOptions) {
  return async function fetchSubmission(
    { payload: job }: ReceivedJob<"downloads">,
    signal: AbortSignal,
  ): Promise<DownloadOutcome> {
    const { chain, ledger, inbox, logger } = components;
    const key = { roundId: job.roundId, uid: job.uid, hotkey: job.hotkey };
    if (chain.head().number > job.deadlineBlock) return { ...key, kind: "expired" };

    const record = await ledger.rounds.get(job.roundId);
    const entry = record?.round.roster.find((each) => each.uid === job.uid && each.hotkey === job.hotkey);
    const receipt = await inbox.read(job.roundId, job.hotkey);
    // A hint that came before the round was planned: the inbox is scanned again once it is.
    if (!record || !entry || !receipt) throw notReady(job);

    logger.info(`Downloading checkpoint for hotkey ${shortHotkey(job.hotkey)}`, {
      group: entry.group,
      round: job.roundId,
      uid: job.uid,
      source: receipt.source.kind,
    });
    const fault = receiptFault(record.round, entry, receipt);
    const outcome =
      fault === null
        ? await fetchAndInspect(record.round, entry, receipt, signal)
        : ({ kind: "rejected", ...fault } as const);
    if (outcome.kind === "rejected") {
      logger.info("Rejected submission", {
        round: job.roundId,
        uid: job.uid,
        reason: outcome.reason,
        detail: outcome.detail,
      });
    }
    return { ...key, ...outcome };
  };

  async function fetchAndInspect(
    round: Round,
    entry: RosterEntry,
    receipt: SubmissionReceipt,
    signal: AbortSignal,
  ): Promise<Inspected> {
    const { layout, store } = components;
    const target = layout.submission(round.id, entry.hotkey);
    const expected = await store.groupTensors(round.baseVersion, entry.group);
    await mkdir(dirname(target), { recursive: true });
    const temporary = join(layout.tmp, `submission-${round.id}-${entry.uid}.safetensors`);
    await mkdir(layout.tmp, { recursive: true });
    const fetched = await fetchTo(temporary, receipt, expected, entry.commitment?.hash, signal);
    if (fetched !== null) return fetched;
    const result = await inspectSubmission({
      path: temporary,
      expected,
      expectedSha256: entry.commitment?.hash ?? "",
      signal,
    });
    if (result.kind === "rejected") {
      await rm(temporary, { force: true });
      return result;
    }
    await rename(temporary, target);
    return { ...result, path: layout.submissionRelative(round.id, entry.hotkey) };
  }

  async function fetchTo(
    temporary: string,
    receipt: SubmissionReceipt,
    expected: ReadonlyMap<string, TensorShape>,
    committedSha256: Sha256Hex | undefined,
    signal: AbortSignal,
  ): Promise<Inspected | null> {
    if (receipt.source.kind === "push") {
      await rm(temporary, { force: true });
      // A copy and no link: the edge process could still change its own file after the inspection.
      await copyFile(components.inbox.payloadPath(receipt.roundId, receipt.hotkey), temporary);
      return null;
    }
    const download = await downloadFile(
      {
        url: receipt.source.url,
        path: temporary,
        maxBytes: largestSubmission(expected),
        ...(committedSha256 !== undefined && { expectedSha256: committedSha256 }),
      },
      options.pull,
      signal,
    );
    if (download.kind === "downloaded") return null;
    const reason = download.reason === "too_large" ? "too_large" : "url_refused";
    return { kind: "rejected", reason, detail: download.detail };
  }
}

type Inspected =
  | { readonly kind: "accepted"; readonly path: string; readonly sha256: string; readonly bytes: number }
  | { readonly kind: "rejected"; readonly reason: RejectionReason; readonly detail: string };

function notReady({ roundId, uid }: { readonly roundId: number; readonly uid: number }): EvaluatorError {
  return new EvaluatorError(EvaluatorErrorCode.JobTooEarly, "The round or the receipt of this job is not there yet", {
    retryable: true,
    fields: { roundId, uid },
  });
}
