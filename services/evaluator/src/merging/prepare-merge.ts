import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { stepGroup } from "@assay/checkpoint/merge/step-group";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup } from "@assay/core/units";
import { currentVersion } from "../current-version.ts";

/** What makes the next version. */
export interface MergePlan {
  readonly round: Pick<Round, "cycle" | "baseVersion">;
  /** By group the file with its values; a group without one stays as it is. */
  readonly gradients: ReadonlyMap<ExpertGroup, string>;
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
    const source = await store.source(baseVersion);
    for (const [group, groupLayout] of source.groups) {
      const gradient = gradients.get(group);
      const momentum = await carryMomentum(layout.momentum(baseVersion, group), layout.momentum(version, group));
      if (gradient === undefined) continue;
      const output = join(work, `group-${group}.safetensors`);
      const files = {
        layout: groupLayout,
        base: source.experts,
        gradient,
        momentum: momentum ? layout.momentum(baseVersion, group) : null,
        output,
        momentumOutput: layout.momentum(version, group),
      };
      const step = { learningRate: merge.outerLearningRate, momentumFactor: merge.outerMomentum };
      await stepGroup({ ...files, ...step }, signal);
      groupFiles.set(group, output);
    }
    return await store.prepare({ version, parent: baseVersion, cycle: round.cycle, block, groupFiles }, signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Copies a group's momentum to the next version; false while the group was never merged. */
async function carryMomentum(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw error;
  }
}
