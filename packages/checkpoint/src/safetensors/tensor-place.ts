import { withFile } from "../atomic-write.ts";
import type { TensorShape } from "./dtype.ts";
import { type HeaderLimits, TRUSTED_LIMITS } from "./header.ts";
import { readTrustedHeader } from "./read.ts";

/** One tensor, or one expert's block of a stacked tensor, as it lies in a file. */
export interface TensorPlace extends TensorShape {
  /** Absolute path of a safetensors file. */
  readonly path: string;
  /** First byte in that file. */
  readonly offset: number;
}

/**
 * Where each tensor of a file lies, in order of offset. Reads the header only.
 *
 * @throws CheckpointError `CHECKPOINT_FILE_MALFORMED`: inspect strangers' files first.
 */
export async function readPlaces(
  path: string,
  limits: HeaderLimits = TRUSTED_LIMITS,
): Promise<ReadonlyMap<string, TensorPlace>> {
  const { tensors, dataStart } = await withFile(path, "r", (file) => readTrustedHeader(file, path, limits));
  return new Map(
    [...tensors].map(([name, { dtype, shape, begin }]) => [name, { dtype, shape, path, offset: dataStart + begin }]),
  );
}
