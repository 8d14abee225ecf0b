import { withFile } from "../atomic-write.ts";
import { elementCount, type TensorShape } from "./dtype.ts";
import { type HeaderLimits, TRUSTED_LIMITS } from "./header.ts";
import { readFloat32, readTrustedHeader } from "./read.ts";

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

/**
 * Reads the values at a place as float32.
 *
 * @param into room for all of them; new memory unless given.
 * @throws CheckpointError `CHECKPOINT_DTYPE_UNSUPPORTED`.
 */
export async function readPlace(
  name: string,
  place: TensorPlace,
  into: Float32Array = new Float32Array(elementCount(place.shape)),
): Promise<Float32Array> {
  await withFile(place.path, "r", (file) => readFloat32(file, name, place, into));
  return into;
}
