import type { FileHandle } from "node:fs/promises";
import { withFile } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { elementCount, tensorBytes } from "./dtype.ts";
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
      await readFloat32(file, header, name, entry, values);
      tensors.set(name, { shape: entry.shape, values });
      offset += values.byteLength;
    }
    return { buffer, tensors };
  });
}

/** Reads one tensor of an open file as float32. */
export async function readTensor(file: FileHandle, header: SafetensorsHeader, name: string): Promise<Float32Array> {
  const entry = header.tensors.get(name);
  if (entry === undefined) {
    throw new CheckpointError(CheckpointErrorCode.TensorsDiffer, "Tensor is not in the file", {
      fields: { tensor: name },
    });
  }
  const values = new Float32Array(elementCount(entry.shape));
  await readFloat32(file, header, name, entry, values);
  return values;
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

async function readFloat32(
  file: FileHandle,
  header: SafetensorsHeader,
  name: string,
  entry: TensorEntry,
  values: Float32Array,
): Promise<void> {
  const { dtype } = entry;
  if (!isFloat32Dtype(dtype)) {
    throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be read as float32", {
      fields: { tensor: name, dtype },
    });
  }
  const bytes = tensorBytes(entry);
  const target = new Uint8Array(values.buffer, values.byteOffset + values.byteLength - bytes, bytes);
  await readExactly(file, target, header.dataStart + entry.begin);
  if (dtype !== "F32") widenInPlace(dtype, values);
}
