import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { stepGroup } from "@assay/checkpoint/merge/step-group";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup, ModelVersion } from "@assay/core/units";
import { currentVersion } from "../current-version.ts";

/** The pseudo-gradients that make the next version. */
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
 * Makes and publishes the next version: the outer step of each group with a gradient, momentum carried along.
 *
 * Safe to repeat: what a killed attempt left is overwritten, and the same inputs give the same version. A version that
 * was made and never became current, by an attempt with other inputs, is passed over.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a value is not finite; nothing is published then.
 */
export async function publishMerge(plan: MergePlan, tools: MergeTools, signal: AbortSignal): Promise<ModelManifest> {
  const { version: current } = await currentVersion(tools.store);
  const next = Math.max(current, plan.round.baseVersion) + 1;
  try {
    return await publishAs(next, plan, tools, signal);
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.code !== CheckpointErrorCode.VersionConflict) throw error;
    const newest = (await tools.store.versions()).at(-1) ?? next;
    return await publishAs(newest + 1, plan, tools, signal);
  }
}

async function publishAs(
  version: ModelVersion,
  { round, gradients, block }: MergePlan,
  { store, merge }: MergeTools,
  signal: AbortSignal,
): Promise<ModelManifest> {
  const { layout } = store;
  const { baseVersion } = round;
  const work = join(layout.tmp, `step-${round.cycle}`);
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  // Momentum of an attempt that merged other groups must not stay; that of a version that exists belongs to it.
  const exists = (await store.versions()).includes(version);
  if (!exists) await rm(layout.momentumFolder(version), { recursive: true, force: true });
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
    return await store.publish({ version, parent: baseVersion, cycle: round.cycle, block, groupFiles }, signal);
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
