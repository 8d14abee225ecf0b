import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { writePseudoGradient } from "@assay/checkpoint/merge/pseudo-gradient-file";
import { stepGroup } from "@assay/checkpoint/merge/step-group";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup, ModelVersion, Sha256Hex, Uid } from "@assay/core/units";
import { currentVersion } from "../current-version.ts";
import type { Best } from "./best-of-group.ts";

export interface MergePlan {
  readonly round: Round;
  /** The submission each group takes; a group without one stays as it is. */
  readonly best: ReadonlyMap<ExpertGroup, Best>;
  /** Digests of the round's accepted submissions. */
  readonly accepted: ReadonlyMap<Uid, Sha256Hex>;
  readonly block: BlockNumber;
}

export interface MergeTools {
  readonly store: CheckpointStore;
  readonly merge: Network["merge"];
}

/**
 * Makes and publishes the next version: the outer step of each group with a submission, momentum carried along.
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
  { round, best, accepted, block }: MergePlan,
  { store, merge }: MergeTools,
  signal: AbortSignal,
): Promise<ModelManifest> {
  const { layout } = store;
  const work = join(layout.tmp, `merge-${round.cycle}`);
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  // Momentum of an attempt that merged other groups must not stay; that of a version that exists belongs to it.
  const exists = (await store.versions()).includes(version);
  if (!exists) await rm(layout.momentumFolder(version), { recursive: true, force: true });
  await mkdir(layout.momentumFolder(version), { recursive: true });
  try {
    const groupFiles = new Map<ExpertGroup, string>();
    const source = await store.source(round.baseVersion);
    for (const [group, groupLayout] of source.groups) {
      const taken = best.get(group);
      const momentum = await carryMomentum(layout.momentum(round.baseVersion, group), layout.momentum(version, group));
      if (taken === undefined) continue;
      const output = join(work, `group-${group}.safetensors`);
      const gradient = join(work, `group-${group}.gradient`);
      const submission = { path: layout.submission(round.id, digestOf(accepted, taken.uid)), share: 1 };
      const from = { layout: groupLayout, base: source.experts };
      await writePseudoGradient({ ...from, submissions: [submission], output: gradient }, signal);
      const files = {
        ...from,
        gradient,
        momentum: momentum ? layout.momentum(round.baseVersion, group) : null,
        output,
        momentumOutput: layout.momentum(version, group),
      };
      const step = { learningRate: merge.outerLearningRate, momentumFactor: merge.outerMomentum };
      await stepGroup({ ...files, ...step }, signal);
      await rm(gradient);
      groupFiles.set(group, output);
    }
    return await store.publish({ version, parent: round.baseVersion, cycle: round.cycle, block, groupFiles }, signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function digestOf(accepted: ReadonlyMap<Uid, Sha256Hex>, uid: Uid): Sha256Hex {
  const sha256 = accepted.get(uid);
  if (sha256 === undefined) throw new RangeError(`No submission of UID ${uid} was accepted`);
  return sha256;
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
