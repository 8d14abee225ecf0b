import type { ChainView } from "@assay/core/chain-view";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";

/** The metadata that goes with every part of the model, in the published names. */
export interface ModelMeta {
  /** Null for a part that is not one group's. */
  readonly expert_group: ExpertGroup | null;
  /** Block at which the part was served. */
  readonly block_number: number;
  readonly model_version: string;
  /** Of the part's bytes alone; null for a file without a digest of its own. */
  readonly content_hash: string | null;
}

export function modelMeta(
  manifest: ModelManifest,
  view: ChainView,
  group: ExpertGroup | null,
  sha256: Sha256Hex | null,
): ModelMeta {
  return {
    expert_group: group,
    block_number: view.block,
    model_version: `step_${manifest.version}`,
    content_hash: sha256 === null ? null : `sha256:${sha256}`,
  };
}
