import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { isSystemError } from "../atomic-write.ts";
import type { FileDigest } from "../digest.ts";
import { type FileStamp, modelChanged, stampFrom, stampOf } from "./imported-model.ts";

/** A piece of a composed file: bytes in memory, or a range of a file. */
export type Segment = Uint8Array | FileRange;

export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** Bytes from `start` up to, and without, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A file that lies on no disk as a whole: its bytes are ranges of other files, one after the other.
 *
 * Reading takes no more memory than a chunk. A file below that is not what it was when this was composed fails the
 * reading, so that no other bytes are passed off as these.
 */
export class ComposedFile {
  readonly bytes: number;
  readonly #segments: readonly Segment[];
  readonly #stamps: ReadonlyMap<string, FileStamp>;

  /** @param stamps of every file that a segment names, as they were when their content was known. */
  constructor(segments: readonly Segment[], stamps: ReadonlyMap<string, FileStamp>) {
    this.#segments = segments;
    this.#stamps = stamps;
    this.bytes = segments.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * The bytes in pieces of at most 256 KiB, each in memory of its own.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` when a file below changed or is gone.
   */
  async *read({ start, end }: ByteRange = { start: 0, end: this.bytes }): AsyncGenerator<Uint8Array> {
    const files = new OneOpenFile(this.#stamps);
    try {
      let begin = 0;
      for (const segment of this.#segments) {
        const from = Math.max(start - begin, 0);
        const to = Math.min(end - begin, segment.length);
        begin += segment.length;
        if (from >= to) continue;
        if (segment instanceof Uint8Array) yield segment.subarray(from, to);
        else yield* files.read(segment.path, segment.offset + from, to - from);
      }
    } finally {
      await files.close();
    }
  }

  /**
   * Looks whether every file below is still what it was; reads none of them.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` with the first that is not.
   */
  async check(): Promise<void> {
    const paths = new Set(this.#segments.flatMap((segment) => (segment instanceof Uint8Array ? [] : [segment.path])));
    for (const path of paths) {
      if (!isSame(await stampOf(path), this.#stamps.get(path))) throw modelChanged(path);
    }
  }

  /** SHA-256 and length; reads everything. */
  async digest(signal?: AbortSignal): Promise<FileDigest> {
    const hash = createHash("sha256");
    for await (const chunk of this.read()) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
    return { sha256: hash.digest("hex"), bytes: this.bytes };
  }
}

const CHUNK_BYTES = 256 << 10;

/** Reads ranges of files and keeps the last file open: neighbours mostly lie in the same. */
class OneOpenFile {
  readonly #stamps: ReadonlyMap<string, FileStamp>;
  #open: { readonly path: string; readonly file: FileHandle } | null = null;

  constructor(stamps: ReadonlyMap<string, FileStamp>) {
    this.#stamps = stamps;
  }

  async *read(path: string, offset: number, length: number): AsyncGenerator<Uint8Array> {
    const file = await this.#file(path);
    for (let done = 0; done < length; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, length - done));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, offset + done);
      await this.#checkUnchanged(path, file);
      if (bytesRead === 0) throw modelChanged(path);
      done += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = null;
  }

  async #file(path: string): Promise<FileHandle> {
    if (this.#open?.path === path) return this.#open.file;
    await this.close();
    try {
      this.#open = { path, file: await open(path, "r") };
    } catch (error) {
      if (isSystemError(error, "ENOENT", "ENOTDIR")) throw modelChanged(path, error);
      throw error;
    }
    return this.#open.file;
  }

  async #checkUnchanged(path: string, file: FileHandle): Promise<void> {
    if (!isSame(stampFrom(await file.stat()), this.#stamps.get(path))) throw modelChanged(path);
  }
}

function isSame(actual: FileStamp | null, expected: FileStamp | undefined): boolean {
  return actual?.bytes === expected?.bytes && actual?.modifiedMillis === expected?.modifiedMillis;
}
