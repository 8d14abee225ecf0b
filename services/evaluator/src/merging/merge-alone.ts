import { rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { type Gradient, gradientInFile } from "@assay/checkpoint/merge/gradient-reader";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup } from "@assay/core/units";
import type { MergeRecord } from "@assay/ledger/merges";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../current-version.ts";
import type { Best } from "./best-of-group.ts";
import { writeLocalGradients } from "./local-gradients.ts";
import { prepareMerge } from "./prepare-merge.ts";

export interface AlonePlan {
  readonly round: Round;
  readonly best: ReadonlyMap<ExpertGroup, readonly Best[]>;
  readonly submissions: readonly SubmissionRecord[];
  readonly block: BlockNumber;
}

export interface AloneTools {
  readonly store: CheckpointStore;
  readonly merge: Network["merge"];
  readonly logger: Logger;
}

/** A published version and whose submissions its groups took, or why there is none. */
export type AloneEnd =
  | { readonly result: "published"; readonly manifest: ModelManifest; readonly taken: MergeRecord["groups"] }
  | { readonly result: "nothing_to_merge" | "non_finite" };

/**
 * Publishes the next version made of our own round, where nobody else merges.
 *
 * Can be called again after a kill at any moment: a version of this cycle that is current already is found.
 */
export async function mergeAlone(plan: AlonePlan, tools: AloneTools, signal: AbortSignal): Promise<AloneEnd> {
  const { round, best } = plan;
  const current = await currentVersion(tools.store);
  const published = current.version > round.baseVersion ? await tools.store.manifest(current.version) : null;
  if (published?.cycle === round.cycle) return { result: "published", manifest: published, taken: takenOf(best) };
  return best.size === 0 ? { result: "nothing_to_merge" } : await publish(plan, tools, signal);
}

async function publish(
  { round, best, submissions, block }: AlonePlan,
  { store, merge, logger }: AloneTools,
  signal: AbortSignal,
): Promise<AloneEnd> {
  const folder = join(store.layout.tmp, `merge-${round.cycle}`);
  try {
    const local = await writeLocalGradients({ round, best, submissions, folder }, { store, merge, logger }, signal);
    if (local.size === 0) return { result: "non_finite" };
    const gradients = new Map<ExpertGroup, Gradient>();
    for (const [group, { path }] of local) gradients.set(group, await gradientInFile(path));
    const manifest = await prepareMerge({ round, gradients, block }, { store, merge }, signal);
    await store.makeCurrent(manifest.version);
    const taken = [...local].flatMap(([group, { uids }]) => uids.map((uid) => ({ group, uid })));
    return { result: "published", manifest, taken };
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.code !== CheckpointErrorCode.MergeNonFinite) throw error;
    logger.error("Merge left out: a value is not finite", { round: round.id }, error);
    return { result: "non_finite" };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function takenOf(best: AlonePlan["best"]): MergeRecord["groups"] {
  return [...best].flatMap(([group, all]) => all.map(({ uid }) => ({ group, uid })));
}
