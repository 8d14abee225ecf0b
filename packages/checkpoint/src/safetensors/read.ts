import type { FileHandle } from "node:fs/promises";
import { withFile } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { elementCount, type TensorShape, tensorBytes } from "./dtype.ts";
import {
  type HeaderLimits,
  readExactly,
  readHeader,
  type SafetensorsHeader,
  type TensorEntry,
  TRUSTED_LIMITS,
} from "./header.ts";
import { isFloat32Dtype, widenInPlace } from "./widen.ts";

/** A tensor's values, a view into the buffer that was read. */
export interface Float32Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface TensorFile {
  /** The buffer that every tensor is a view of: `into` if that was large enough. */
  readonly buffer: ArrayBuffer;
  readonly tensors: ReadonlyMap<string, Float32Tensor>;
}

export interface ReadTensorsOptions {
  /** Buffer of an earlier call to use again; its old views change under whoever still holds them. */
  readonly into?: ArrayBuffer;
  readonly limits?: HeaderLimits;
  readonly signal?: AbortSignal;
}

/**
 * Reads a whole file as float32 into one buffer; bfloat16 and float16 are widened, which is exact.
 *
 * @throws CheckpointError `CHECKPOINT_FILE_MALFORMED` or `CHECKPOINT_DTYPE_UNSUPPORTED`: inspect strangers' files first.
 */
export async function readTensors(path: string, options: ReadTensorsOptions = {}): Promise<TensorFile> {
  return await withFile(path, "r", async (file) => {
    const header = await readTrustedHeader(file, path, options.limits);
    const elements = [...header.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const buffer = largeEnough(options.into, elements * 4);
    const tensors = new Map<string, Float32Tensor>();
    let offset = 0;
    for (const [name, entry] of header.tensors) {
      options.signal?.throwIfAborted();
      const values = new Float32Array(buffer, offset, elementCount(entry.shape));
      await readFloat32(file, name, { ...entry, offset: header.dataStart + entry.begin }, values);
      tensors.set(name, { shape: entry.shape, values });
      offset += values.byteLength;
    }
    return { buffer, tensors };
  });
}

/** The header of one of our own files. */
export async function readTrustedHeader(
  file: FileHandle,
  path: string,
  limits: HeaderLimits = TRUSTED_LIMITS,
): Promise<SafetensorsHeader> {
  const result = await readHeader(file, limits);
  if (result.kind === "parsed") return result.header;
  throw new CheckpointError(CheckpointErrorCode.FileMalformed, "File is not valid safetensors", {
    fields: { path, detail: result.detail },
  });
}

/**
 * Reads a tensor of an open file as float32; bfloat16 and float16 are widened, which is exact.
 *
 * @param values room for all of its elements.
 * @throws CheckpointError `CHECKPOINT_DTYPE_UNSUPPORTED`.
 */
export async function readFloat32(
  file: FileHandle,
  name: string,
  { dtype, shape, offset }: TensorShape & { readonly offset: number },
  values: Float32Array,
): Promise<void> {
  if (!isFloat32Dtype(dtype)) {
    throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be read as float32", {
      fields: { tensor: name, dtype },
    });
  }
  const bytes = tensorBytes({ dtype, shape });
  const target = new Uint8Array(values.buffer, values.byteOffset + values.byteLength - bytes, bytes);
  await readExactly(file, target, offset);
  if (dtype !== "F32") widenInPlace(dtype, values);
}

/** The bytes of one tensor in pieces of at most 4 MiB. */
export async function* tensorChunks(
  file: FileHandle,
  header: SafetensorsHeader,
  entry: TensorEntry,
): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, entry.end - entry.begin));
  for (let begin = entry.begin; begin < entry.end; begin += chunk.length) {
    const target = chunk.subarray(0, Math.min(chunk.length, entry.end - begin));
    yield await readExactly(file, target, header.dataStart + begin);
  }
}

/** A multiple of every element size, so that no chunk splits an element. */
const CHUNK_BYTES = 4 << 20;

function largeEnough(into: ArrayBuffer | undefined, bytes: number): ArrayBuffer {
  return into !== undefined && into.byteLength >= bytes ? into : new ArrayBuffer(bytes);
}
