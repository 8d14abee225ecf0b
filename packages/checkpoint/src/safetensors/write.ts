import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import { DTYPE_BYTES, type TensorShape, tensorBytes } from "./dtype.ts";

/** A tensor to be written, by name. */
export interface NamedTensor extends TensorShape {
  readonly name: string;
}

/** A tensor whose bytes are produced when their turn comes, so that no more than one is in memory. */
export interface TensorSource extends NamedTensor {
  /** Little-endian values, row-major, in any pieces. */
  readonly chunks: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A float32 tensor that is in memory already. */
export function float32Source(name: string, shape: readonly number[], values: Float32Array): TensorSource {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: "F32", shape, chunks: () => [bytes] };
}

/**
 * Order of tensors in a canonical file: larger elements first so that all are aligned, then by name (UTF-16 code
 * units). The same tensors always give the same file, byte for byte.
 */
export function inCanonicalOrder<T extends NamedTensor>(tensors: Iterable<T>): readonly T[] {
  return [...tensors].sort(
    (left, right) =>
      DTYPE_BYTES[right.dtype] - DTYPE_BYTES[left.dtype] ||
      (left.name < right.name ? -1 : Number(left.name > right.name)),
  );
}

/** Bytes before the first value: length, JSON and spaces, a multiple of 64. The tensors lie in the order given. */
export function encodeHeader(tensors: readonly NamedTensor[]): Uint8Array {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const begin = offset;
    offset += tensorBytes(tensor);
    return [tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, offset] }] as const;
  });
  // transformers refuses to load a file without this metadata
  const json = JSON.stringify(Object.fromEntries([["__metadata__", { format: "pt" }], ...entries]));
  const jsonBytes = new TextEncoder().encode(json);
  const header = new Uint8Array(Math.ceil((8 + jsonBytes.length) / ALIGNMENT) * ALIGNMENT).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(jsonBytes, 8);
  return header;
}

/**
 * Writes a canonical file, synced to the disk. `path` must not exist; on failure nothing is left there.
 *
 * @returns the digest of the whole file, computed while it was written.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  signal?: AbortSignal,
): Promise<FileDigest> {
  const ordered = inCanonicalOrder(tensors);
  const writer = await SafetensorsWriter.create(path, ordered);
  try {
    for (const tensor of ordered) {
      for await (const chunk of tensor.chunks()) {
        signal?.throwIfAborted();
        await writer.write(tensor.name, chunk);
      }
    }
    return await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** A file being written: every tensor's bytes in the order given, then `finish` or `discard`. */
export class SafetensorsWriter {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  readonly #remaining: { readonly name: string; bytes: number }[];
  #bytes = 0;
  #unsyncedBytes = 0;
  /** What was begun to sync before the end; failures come back from `finish`. */
  #syncing: Promise<void> | null = null;

  private constructor(path: string, file: FileHandle, tensors: readonly NamedTensor[]) {
    this.#path = path;
    this.#file = file;
    this.#remaining = tensors.map((tensor) => ({ name: tensor.name, bytes: tensorBytes(tensor) }));
  }

  /** Creates the file, which must not exist, and writes its header. */
  static async create(path: string, tensors: readonly NamedTensor[]): Promise<SafetensorsWriter> {
    const writer = new SafetensorsWriter(path, await open(path, "wx"), tensors);
    try {
      await writer.#append(encodeHeader(tensors));
      return writer;
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  /** The next bytes of the tensor whose turn it is (another tensor's, or too many, are a caller's bug). */
  async write(name: string, chunk: Uint8Array): Promise<void> {
    const next = this.#remaining[0];
    if (next === undefined || next.name !== name || next.bytes < chunk.length) throw unexpectedBytes(name);
    next.bytes -= chunk.length;
    if (next.bytes === 0) this.#remaining.shift();
    await this.#append(chunk);
  }

  /** Syncs and closes the file. */
  async finish(): Promise<FileDigest> {
    const missing = this.#remaining[0];
    if (missing !== undefined) throw unexpectedBytes(missing.name);
    await this.#syncing;
    await this.#file.sync();
    await this.#file.close();
    return { sha256: this.#hash.digest("hex"), bytes: this.#bytes };
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }

  async #append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, written, chunk.length - written, null);
      written += bytesWritten;
    }
    this.#bytes += chunk.length;
    await this.#syncAhead(chunk.length);
  }

  /** Keeps the disk busy while more is computed, and not at the end alone. */
  async #syncAhead(bytes: number): Promise<void> {
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < SYNC_BYTES) return;
    this.#unsyncedBytes = 0;
    await this.#syncing;
    this.#syncing = this.#file.datasync();
    this.#syncing.catch(() => undefined);
  }
}

const ALIGNMENT = 64;
/** Enough that a disk is not asked for often. */
const SYNC_BYTES = 128 << 20;

function unexpectedBytes(name: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.TensorsDiffer, "Bytes written do not match the tensor's shape", {
    fields: { tensor: name },
  });
}
