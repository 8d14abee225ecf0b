import { isAppError } from "@assay/core/app-error";
import type { WeightObstacle } from "@assay/core/weights/obstacles";
import { ChainErrorCode } from "./chain-error.ts";

/**
 * What an error of reading the chain says about setting weights: that there is no such subnet, or that it hides them in
 * a way that this version or its runtime does not know. Null for any other error, which says nothing of the kind.
 */
export function weightObstacleOf(error: unknown): WeightObstacle | null {
  if (!isAppError(error)) return null;
  if (error.code === ChainErrorCode.SubnetUnknown) return { code: "subnet_unknown", fields: {} };
  if (error.code !== ChainErrorCode.InterfaceMismatch) return null;
  return { code: "commit_reveal_unsupported", fields: { what: error.message } };
}
