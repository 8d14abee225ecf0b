import { createHash } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { ChunkedFile } from "@assay/core/chunk-list";
import type { Sha256Hex } from "@assay/core/units";
import { isSystemError, syncFolder, withFile } from "../atomic-write.ts";
import type { ComposedFile } from "../store/composed-file.ts";

/**
 * `<path>.part`: a file that is put together from chunks in any order.
 *
 * There is no record of what it holds. What a chunk's place holds is hashed instead, so a file that was left by a kill
 * at any moment, or by another version, is worth exactly its right chunks.
 */
export class ChunkFile {
  readonly #file: FileHandle;
  readonly #wanted: ChunkedFile;
  readonly #chunkBytes: number;
  readonly #target: string;

  private constructor(file: FileHandle, target: string, wanted: ChunkedFile, chunkBytes: number) {
    this.#file = file;
    this.#target = target;
    this.#wanted = wanted;
    this.#chunkBytes = chunkBytes;
  }

  /** The caller closes it. */
  static async open(target: string, wanted: ChunkedFile, chunkBytes: number): Promise<ChunkFile> {
    const path = partOf(target);
    const file = await open(path, "r+").catch(async (error: unknown) => {
      if (isSystemError(error, "ENOENT")) return await open(path, "w+");
      throw error;
    });
    try {
      await file.truncate(wanted.bytes);
      return new ChunkFile(file, target, wanted, chunkBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Length of a chunk: the last is shorter. */
  bytesOf(index: number): number {
    return Math.min(this.#chunkBytes, this.#wanted.bytes - index * this.#chunkBytes);
  }

  /** Numbers of the chunks that are not in their place yet. */
  async missing(signal: AbortSignal): Promise<readonly number[]> {
    const missing: number[] = [];
    for await (const { index, sha256 } of hashed(this.#pieces(signal))) {
      if (sha256 !== this.#wanted.chunks[index]) missing.push(index);
    }
    return missing;
  }

  async write(index: number, chunk: Uint8Array): Promise<void> {
    const begin = index * this.#chunkBytes;
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, done, chunk.length - done, begin + done);
      done += bytesWritten;
    }
  }

  /**
   * Copies what a file of another version has of the missing chunks, wherever it lies there.
   *
   * @returns the chunks that are still missing.
   */
  async copyFrom(
    older: string | ComposedFile,
    missing: readonly number[],
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const places = new Map<Sha256Hex, number[]>();
    for (const index of missing) {
      const digest = this.#wanted.chunks[index] ?? "";
      places.set(digest, [...(places.get(digest) ?? []), index]);
    }
    const take = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const { sha256, chunk } of hashed(pieces)) {
        for (const index of places.get(sha256) ?? []) await this.write(index, chunk);
        places.delete(sha256);
      }
    };
    if (typeof older !== "string") await take(composedPieces(older, this.#chunkBytes, signal));
    else await ifThere(older, async (file) => take(piecesOf(file, (await file.stat()).size, this.#chunkBytes, signal)));
    return [...places.values()].flat().sort((left, right) => left - right);
  }

  /** @returns whether the whole hashes to the file's digest; then it has its name, synced. */
  async finish(signal: AbortSignal): Promise<boolean> {
    const hash = createHash("sha256");
    for await (const piece of this.#pieces(signal)) hash.update(piece);
    if (hash.digest("hex") !== this.#wanted.sha256) return false;
    await this.#file.sync();
    await rename(partOf(this.#target), this.#target);
    await syncFolder(dirname(this.#target));
    return true;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #pieces(signal: AbortSignal): AsyncIterable<Uint8Array> {
    return piecesOf(this.#file, this.#wanted.bytes, this.#chunkBytes, signal);
  }
}

function partOf(target: string): string {
  return `${target}.part`;
}

async function ifThere(path: string, use: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await withFile(path, "r", use);
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

async function* hashed(pieces: AsyncIterable<Uint8Array>) {
  let index = 0;
  for await (const chunk of pieces) {
    yield { index, chunk, sha256: createHash("sha256").update(chunk).digest("hex") };
    index += 1;
  }
}

/** Pieces of `length` from the beginning on, each in the memory of the one before. Ends early where the file does. */
async function* piecesOf(file: FileHandle, bytes: number, length: number, signal: AbortSignal) {
  const memory = Buffer.allocUnsafeSlow(Math.min(length, bytes));
  for (let position = 0; position < bytes; position += length) {
    signal.throwIfAborted();
    const piece = memory.subarray(0, bytes - position);
    let done = 0;
    while (done < piece.length) {
      const { bytesRead } = await file.read(piece, done, piece.length - done, position + done);
      if (bytesRead === 0) return;
      done += bytesRead;
    }
    yield piece;
  }
}

/** {@link piecesOf} for a file that lies on no disk as a whole. */
async function* composedPieces(content: ComposedFile, length: number, signal: AbortSignal) {
  const memory = Buffer.allocUnsafeSlow(Math.min(length, content.bytes));
  const file = content.open();
  try {
    for (let position = 0; position < content.bytes; position += length) {
      signal.throwIfAborted();
      const piece = memory.subarray(0, content.bytes - position);
      await file.fill(piece, position);
      yield piece;
    }
  } finally {
    await file.close();
  }
}
