import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";

/**
 * Passes on what this release wrote.
 *
 * @throws CheckpointError `CHECKPOINT_STORE_OUTDATED` for a file of the first schema, whose versions held copies.
 */
export function refuseOldStore<T extends { readonly schema: number }>(
  value: T | { readonly schema: 1 },
  path: string,
): Exclude<T, { readonly schema: 1 }> {
  if (value.schema !== 1) return value as Exclude<T, { readonly schema: 1 }>;
  throw new CheckpointError(CheckpointErrorCode.StoreOutdated, "The checkpoint directory is of an older release", {
    fields: { path },
  });
}
