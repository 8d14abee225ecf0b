import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { ExpertGroup, Uid } from "@assay/core/units";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Best } from "./best-of-group.ts";
import { type LocalGradient, writeLocalGradient } from "./local-gradient.ts";

export interface LocalGradientsPlan {
  readonly round: Round;
  /** The submissions that each group may take. */
  readonly best: ReadonlyMap<ExpertGroup, readonly Best[]>;
  /** What became of the round's submissions. */
  readonly submissions: readonly SubmissionRecord[];
  /** Folder for the files, made anew. */
  readonly folder: string;
}

/** A group's gradient as it lies on disk. */
export interface GradientFile extends LocalGradient {
  readonly path: string;
}

/** Writes the gradient of every group that takes a submission; of those whose submissions are not fit there is none. */
export async function writeLocalGradients(
  { round, best, submissions, folder }: LocalGradientsPlan,
  {
    store,
    merge,
    logger,
  }: { readonly store: CheckpointStore; readonly merge: Network["merge"]; readonly logger: Logger },
  signal: AbortSignal,
): Promise<ReadonlyMap<ExpertGroup, GradientFile>> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const paths = acceptedPaths(round, submissions, store);
  const source = await store.source(round.baseVersion);
  const gradients = new Map<ExpertGroup, GradientFile>();
  for (const [group, layout] of source.groups) {
    const candidates = (best.get(group) ?? []).map(({ uid }) => ({ uid, path: pathOf(paths, uid) }));
    const path = join(folder, `group-${group}.f32`);
    const request = { layout, base: source.experts, candidates, normBound: merge.normBound, output: path };
    const onLeftOut = (uid: Uid, why: string) =>
      logger.warn("Submission left out of the merge", { round: round.id, uid, group, why });
    const gradient = await writeLocalGradient(request, onLeftOut, signal);
    if (gradient !== null) gradients.set(group, { ...gradient, path });
  }
  return gradients;
}

function acceptedPaths(
  { id }: Round,
  submissions: readonly SubmissionRecord[],
  { layout }: CheckpointStore,
): ReadonlyMap<Uid, string> {
  return new Map(
    submissions.flatMap((each) => (each.kind === "accepted" ? [[each.uid, layout.submission(id, each.sha256)]] : [])),
  );
}

function pathOf(paths: ReadonlyMap<Uid, string>, uid: Uid): string {
  const path = paths.get(uid);
  if (path === undefined) throw new RangeError(`No submission of UID ${uid} was accepted`);
  return path;
}
