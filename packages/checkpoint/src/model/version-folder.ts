import { basename, dirname } from "node:path";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup } from "@assay/core/units";
import { CheckpointLayout } from "../layout.ts";
import type { TensorPlace } from "../safetensors/tensor-place.ts";
import { checkWeights, groupsOf, importedModel } from "../store/imported-model.ts";
import { readManifest } from "../store/manifest.ts";
import { requireObject } from "../store/objects.ts";
import type { GroupExperts } from "./expert-groups.ts";
import { readWeightFiles } from "./model-folder.ts";

/** What a version of the store consists of: the model that was imported, and the groups that merges changed. */
export interface VersionTensors {
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  readonly groups: ReadonlyMap<ExpertGroup, GroupExperts>;
  /** Files of the groups that merges changed. */
  readonly stored: ReadonlyMap<ExpertGroup, string>;
}

/** The version whose folder this is; null when it is not one of a store. */
export async function findVersion(directory: string): Promise<VersionTensors | null> {
  const layout = new CheckpointLayout(dirname(dirname(directory)));
  const version = Number(basename(directory));
  if (!Number.isSafeInteger(version) || layout.version(version) !== directory) return null;
  const manifest = await readManifest(layout, version);
  return manifest === null ? null : await readVersion(layout, manifest);
}

/**
 * What a manifest says, also of a version that is not published yet.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` when a file of the imported model is not what it was;
 *   `CHECKPOINT_VERSION_MISSING` when a group's file is gone or not whole.
 */
export async function readVersion(
  layout: CheckpointLayout,
  manifest: Pick<ModelManifest, "model" | "groups">,
): Promise<VersionTensors> {
  const model = await importedModel(layout, manifest.model);
  const files = [...(await checkWeights(model)).keys()];
  const stored = new Map<ExpertGroup, string>();
  for (const file of manifest.groups) {
    if (file.storage === "object") stored.set(file.group, (await requireObject(layout, file)).path);
  }
  return {
    tensors: await readWeightFiles(files),
    groups: groupsOf(model),
    stored,
  };
}
