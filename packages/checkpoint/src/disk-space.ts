import { statfs } from "node:fs/promises";
import { CheckpointError, CheckpointErrorCode } from "./checkpoint-error.ts";

/**
 * Fails before a large write instead of in the middle of it.
 *
 * Asks for 5 % and 64 MiB more than the write needs, and leaves `minFreeBytes` besides.
 *
 * @throws CheckpointError `CHECKPOINT_VOLUME_FULL`, retryable: an operator may free space meanwhile.
 * @see packages/docs/protocol.md §8.3
 */
export async function ensureFreeSpace(folder: string, bytes: number, minFreeBytes = 0): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const needed = Math.ceil(bytes * 1.05) + MARGIN_BYTES + minFreeBytes;
  if (free >= needed) return;
  throw new CheckpointError(CheckpointErrorCode.VolumeFull, "The volume has too little free space", {
    retryable: true,
    fields: { folder, free, needed },
  });
}

const MARGIN_BYTES = 64 << 20;
