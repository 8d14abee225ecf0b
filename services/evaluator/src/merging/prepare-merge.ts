import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FileDigest } from "@assay/checkpoint/digest";
import type { Gradient } from "@assay/checkpoint/merge/gradient-reader";
import { stepGroup } from "@assay/checkpoint/merge/step-group";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { stampOf } from "@assay/checkpoint/store/imported-model";
import { linkOrCopy } from "@assay/checkpoint/store/objects";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup } from "@assay/core/units";
import { currentVersion } from "../current-version.ts";

/** What makes the next version. */
export interface MergePlan {
  readonly round: Pick<Round, "cycle" | "baseVersion">;
  /** By group its averaged values, which may still be coming; a group without any stays as it is. */
  readonly gradients: ReadonlyMap<ExpertGroup, Gradient>;
  readonly block: BlockNumber;
}

export interface MergeTools {
  readonly store: CheckpointStore;
  readonly merge: Network["merge"];
}

/**
 * Makes the next version out of sight: the outer step of each group with a gradient, momentum carried along.
 *
 * Safe to repeat: what a killed attempt left is overwritten, and the same inputs give the same version. A version of
 * that number that was made and never became current, by an attempt with other inputs, is replaced: validators that
 * merge the same must give it the same number.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a value is not finite; nothing is made then.
 */
export async function prepareMerge(
  { round, gradients, block }: MergePlan,
  { store, merge }: MergeTools,
  signal: AbortSignal,
): Promise<ModelManifest> {
  const { layout } = store;
  const { baseVersion } = round;
  const { version: current } = await currentVersion(store);
  const version = Math.max(current, baseVersion) + 1;
  const work = join(layout.tmp, `step-${round.cycle}`);
  await store.discard(version);
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  await mkdir(layout.momentumFolder(version), { recursive: true });
  try {
    const groupFiles = new Map<ExpertGroup, string>();
    const digests = new Map<ExpertGroup, FileDigest>();
    const source = await store.source(baseVersion);
    for (const [group, groupLayout] of source.groups) {
      const gradient = gradients.get(group);
      const [before, after] = [layout.momentum(baseVersion, group), layout.momentum(version, group)];
      if (gradient === undefined) {
        await carryMomentum(before, after);
        continue;
      }
      const output = join(work, `group-${group}.safetensors`);
      const files = {
        layout: groupLayout,
        base: source.experts,
        gradient,
        momentum: (await isThere(before)) ? before : null,
        output,
        momentumOutput: after,
      };
      const step = { learningRate: merge.outerLearningRate, momentumFactor: merge.outerMomentum };
      digests.set(group, (await stepGroup({ ...files, ...step }, signal)).group);
      groupFiles.set(group, output);
    }
    const publication = { version, parent: baseVersion, cycle: round.cycle, block, groupFiles, digests };
    return await store.prepare(publication, signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Gives a group's momentum to the next version too, as it is; there is none while the group was never merged. */
async function carryMomentum(from: string, to: string): Promise<void> {
  if (!(await isThere(from))) return;
  await rm(to, { force: true });
  await linkOrCopy(from, to);
}

async function isThere(path: string): Promise<boolean> {
  return (await stampOf(path)) !== null;
}
