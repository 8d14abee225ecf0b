import { knownFull, type ModelFile, type ModelManifest } from "@assay/core/model-manifest";
import { type Refusal, refuseUntil } from "../refusal.ts";

const AGAIN_SECONDS = 5;

/** A version's file of all tensors; nobody gets it before it is known what it must be. */
export function hashedFull({ full }: ModelManifest): ModelFile | Refusal {
  const detail = "The whole model of this version is still being hashed; its parts can be had";
  return knownFull(full) ?? refuseUntil(503, "full_pending", detail, AGAIN_SECONDS);
}
