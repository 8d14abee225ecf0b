import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { ValueChunks } from "@assay/checkpoint/merge/chunk-summary";
import type { Experts } from "@assay/checkpoint/merge/group-blocks";
import { squaredDistance, writePseudoGradient } from "@assay/checkpoint/merge/pseudo-gradient-file";
import type { GroupLayout } from "@assay/checkpoint/model/model-source";
import { beyondNormBound } from "@assay/core/merging/norm-bound";
import type { Uid } from "@assay/core/units";

/** A submission that may be merged. */
interface Candidate {
  readonly uid: Uid;
  /** Path of the inspected file. */
  readonly path: string;
}

export interface LocalGradientRequest {
  readonly layout: GroupLayout;
  readonly base: Experts;
  /** The best first. */
  readonly candidates: readonly Candidate[];
  readonly normBound: number;
  readonly output: string;
}

/** A group's gradient, and whose submissions it averages. */
export interface LocalGradient extends ValueChunks {
  readonly uids: readonly Uid[];
}

/** Hears of a submission that is not merged, and why. */
export type OnLeftOut = (uid: Uid, reason: "norm_too_large" | "non_finite") => void;

/**
 * Averages a group's best submissions, all alike, and writes the pseudo-gradient; null when none is fit.
 *
 * Left out is whoever went further from the base than the bound times the median of the others, and whoever brings a
 * value that is not finite: the others are merged without it.
 */
export async function writeLocalGradient(
  request: LocalGradientRequest,
  onLeftOut: OnLeftOut,
  signal: AbortSignal,
): Promise<LocalGradient | null> {
  let candidates = await withinNormBound(request, onLeftOut, signal);
  while (candidates.length > 0) {
    const submissions = candidates.map(({ path }) => ({ path, share: 1 }));
    try {
      const chunks = await writePseudoGradient({ ...request, submissions }, signal);
      return { ...chunks, uids: candidates.map(({ uid }) => uid) };
    } catch (error) {
      const guilty = candidates.find(({ path }) => isNonFinite(error, path));
      if (guilty === undefined) throw error;
      onLeftOut(guilty.uid, "non_finite");
      candidates = candidates.filter((each) => each !== guilty);
    }
  }
  return null;
}

async function withinNormBound(
  { candidates, normBound, ...files }: LocalGradientRequest,
  onLeftOut: OnLeftOut,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  // With fewer than three nobody can say which of them is too large, and nothing needs to be read.
  if (candidates.length < 3) return candidates;
  const norms: { readonly key: Candidate; readonly norm: number }[] = [];
  for (const key of candidates) {
    norms.push({ key, norm: Math.sqrt(await squaredDistance(files, key.path, signal)) });
  }
  const beyond = new Set(beyondNormBound(norms, normBound));
  for (const { uid } of beyond) onLeftOut(uid, "norm_too_large");
  return candidates.filter((candidate) => !beyond.has(candidate));
}

function isNonFinite(error: unknown, path: string): boolean {
  if (!(error instanceof CheckpointError) || error.code !== CheckpointErrorCode.MergeNonFinite) return false;
  const { submission } = error.fields;
  return submission === path;
}
