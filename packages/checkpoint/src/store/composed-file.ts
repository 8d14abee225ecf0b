import { createHash } from "node:crypto";
import { fstatSync } from "node:fs";
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
 * Reading takes no more memory than a piece. A file below that is not what it was when this was composed fails the
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

  /** Opens the file for reading into the caller's memory. The caller closes it. */
  open(): OpenComposedFile {
    return new OpenComposedFile(this.#segments, this.#stamps);
  }

  /** A part of the file as a file of its own; nothing is read. */
  slice({ start, end }: ByteRange): ComposedFile {
    const segments: Segment[] = [];
    let begin = 0;
    for (const segment of this.#segments) {
      const from = Math.max(start - begin, 0);
      const to = Math.min(end - begin, segment.length);
      begin += segment.length;
      if (from >= to) continue;
      if (segment instanceof Uint8Array) segments.push(segment.subarray(from, to));
      else segments.push({ ...segment, offset: segment.offset + from, length: to - from });
    }
    return new ComposedFile(segments, this.#stamps);
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
    const file = this.open();
    const memory = Buffer.allocUnsafeSlow(READ_BYTES);
    try {
      for (let position = 0; position < this.bytes; position += READ_BYTES) {
        signal?.throwIfAborted();
        const piece = memory.subarray(0, this.bytes - position);
        await file.fill(piece, position);
        hash.update(piece);
      }
    } finally {
      await file.close();
    }
    return { sha256: hash.digest("hex"), bytes: this.bytes };
  }
}

/** Reads of half a megabyte and more cost less than sending what they read; larger ones only take more memory. */
export const READ_BYTES: number = 512 << 10;

/** One reading of a composed file. Calls follow each other; the file that was read last stays open for the next. */
export class OpenComposedFile {
  readonly #segments: readonly Segment[];
  readonly #stamps: ReadonlyMap<string, FileStamp>;
  #open: { readonly path: string; readonly file: FileHandle } | null = null;
  /** Segment that the next reading most likely begins in, and where that segment begins. */
  #next = { index: 0, begin: 0 };

  constructor(segments: readonly Segment[], stamps: ReadonlyMap<string, FileStamp>) {
    this.#segments = segments;
    this.#stamps = stamps;
  }

  /**
   * Fills all of `target` with the bytes from `position` on.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` when a file below changed or is gone; RangeError when the
   *   composed file ends before.
   */
  async fill(target: Uint8Array, position: number): Promise<void> {
    let { index, begin } = position >= this.#next.begin ? this.#next : { index: 0, begin: 0 };
    for (let done = 0; done < target.length; ) {
      const segment = this.#segments[index];
      if (segment === undefined) throw new RangeError("Reading past the end of a composed file");
      const skip = position + done - begin;
      const length = Math.min(segment.length - skip, target.length - done);
      if (length > 0) {
        await this.#fillFrom(segment, skip, target.subarray(done, done + length));
        done += length;
      }
      if (skip + length < segment.length) break;
      begin += segment.length;
      index += 1;
    }
    this.#next = { index, begin };
  }

  async close(): Promise<void> {
    const opened = this.#open;
    this.#open = null;
    await opened?.file.close();
  }

  async #fillFrom(segment: Segment, skip: number, target: Uint8Array): Promise<void> {
    if (segment instanceof Uint8Array) {
      target.set(segment.subarray(skip, skip + target.length));
      return;
    }
    const file = await this.#file(segment.path);
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await file.read(target, done, target.length - done, segment.offset + skip + done);
      // In this thread: the kernel answers from memory, and a way to another thread takes longer than the answer.
      if (!isSame(stampFrom(fstatSync(file.fd)), this.#stamps.get(segment.path))) throw modelChanged(segment.path);
      if (bytesRead === 0) throw modelChanged(segment.path);
      done += bytesRead;
    }
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
}

function isSame(actual: FileStamp | null, expected: FileStamp | undefined): boolean {
  return actual?.bytes === expected?.bytes && actual?.modifiedMillis === expected?.modifiedMillis;
}
