import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncFile, syncFolder } from "@assay/checkpoint/atomic-write";
import { type DownloadOptions, downloadFile } from "@assay/checkpoint/download/download-file";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { inspectSubmission, largestSubmission } from "@assay/checkpoint/inspect";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { TensorShape } from "@assay/checkpoint/safetensors/dtype";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import type { RosterEntry, Round } from "@assay/core/round/round";
import type { RejectionReason } from "@assay/core/scoring/outcome";
import type { SubmissionSource } from "@assay/core/submission-receipt";
import type { RoundId, Sha256Hex } from "@assay/core/units";

export interface FetchComponents {
  readonly inbox: Inbox;
  readonly store: CheckpointReader;
  readonly layout: CheckpointLayout;
}

export interface PullOptions {
  /** Limits of a pull; the byte limit comes from the group's own size. */
  readonly pull: DownloadOptions;
}

/** A submission whose receipt is in order. */
export interface FetchRequest {
  readonly round: Round;
  readonly entry: RosterEntry;
  readonly source: SubmissionSource;
}

export type Inspected =
  | { readonly kind: "accepted"; readonly path: string; readonly sha256: Sha256Hex; readonly bytes: number }
  | { readonly kind: "rejected"; readonly reason: RejectionReason; readonly detail: string };

/** Folder of a round's unfinished downloads. */
export function unfinishedDownloads(layout: CheckpointLayout, round?: RoundId): string {
  return join(layout.tmp, "downloads", ...(round === undefined ? [] : [String(round)]));
}

/** Brings a submission's bytes to `submissions/`, if inspection finds them to be what the miner committed. */
export async function fetchSubmission(
  { round, entry, source }: FetchRequest,
  { inbox, store, layout }: FetchComponents,
  { pull }: PullOptions,
  signal: AbortSignal,
): Promise<Inspected> {
  const committed = entry.commitment?.hash ?? "";
  const expected = await store.groupTensors(round.baseVersion, entry.group);
  const unfinished = unfinishedDownloads(layout, round.id);
  await mkdir(unfinished, { recursive: true });
  const path = join(unfinished, `${entry.uid}.safetensors`);
  if (source.kind === "push") {
    await copyPayload(inbox.payloadPath(round.id, entry.hotkey), path);
  } else {
    const refusal = await pullFile({ url: source.url, path, expected, committed }, pull, signal);
    if (refusal !== null) return refusal;
  }
  const inspection = await inspectSubmission({ path, expected, expectedSha256: committed, signal });
  if (inspection.kind === "rejected") {
    await rm(path, { force: true });
    return inspection;
  }
  const { sha256 } = inspection;
  await moveInto(path, layout.submission(round.id, sha256));
  return { ...inspection, path: layout.submissionRelative(round.id, sha256) };
}

/** A copy and no link: the edge process could still change its own file after the inspection. */
async function copyPayload(payload: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await copyFile(payload, path);
}

interface Pull {
  readonly url: string;
  readonly path: string;
  readonly expected: ReadonlyMap<string, TensorShape>;
  readonly committed: Sha256Hex;
}

async function pullFile(
  { url, path, expected, committed }: Pull,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<Inspected | null> {
  const maxBytes = largestSubmission(expected);
  const download = await downloadFile({ url, path, maxBytes, expectedSha256: committed }, options, signal);
  if (download.kind === "downloaded") return null;
  const reason = download.reason === "too_large" ? "too_large" : "url_refused";
  return { kind: "rejected", reason, detail: download.detail };
}

/**
 * What the ledger will call accepted must survive a power cut. It is never written again: workers trust the bytes by
 * their name, which is the digest that inspection computed of this very file. The same file of another miner is replaced
 * by its equal.
 */
async function moveInto(path: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await chmod(path, 0o444);
  await syncFile(path);
  await rename(path, target);
  await syncFolder(dirname(target));
}
