import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";

/**
 * The model that is current now.
 *
 * @throws CheckpointError `CHECKPOINT_VERSION_MISSING` before one was imported, which happens at start.
 */
export async function currentVersion(store: CheckpointReader): Promise<{ version: number; digest: string }> {
  const current = await store.current();
  if (current !== null) return current;
  throw new CheckpointError(CheckpointErrorCode.VersionMissing, "No model has been imported yet");
}
