import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";

/** For a file of an earlier schema. */
export function storeOutdated(path: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.StoreOutdated, "The checkpoint directory is of an older release", {
    fields: { path },
  });
}
