import type { ChainView } from "@assay/core/chain-view";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { ModelMeta } from "../api/reply-shapes.ts";

/** What the bytes of a part are. */
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
