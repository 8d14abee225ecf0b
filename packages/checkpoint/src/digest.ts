import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Transform, type TransformCallback } from "node:stream";
import type { Sha256Hex } from "@assay/core/units";
import { withFile } from "./atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "./checkpoint-error.ts";

/** What names a file's content. */
export interface FileDigest {
  readonly sha256: Sha256Hex;
  readonly bytes: number;
}

/** SHA-256 and size of a file, read in pieces. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<FileDigest> {
  return await withFile(path, "r", (file) => sha256Handle(file, signal));
}

/** {@link sha256File} of an open file, from its beginning; the file's position does not move. */
export async function sha256Handle(file: FileHandle, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, chunk.length, bytes);
    if (bytesRead === 0) return { sha256: hash.digest("hex"), bytes };
    hash.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}

export interface Sha256StreamOptions {
  /** One byte more fails the stream with `CHECKPOINT_BYTE_LIMIT`. Unlimited when absent. */
  readonly maxBytes?: number;
}

/** Passes bytes through, counting and hashing them. */
export class Sha256Stream extends Transform {
  readonly #hash: Hash = createHash("sha256");
  readonly #maxBytes: number;
  #bytes = 0;
  #sha256: Sha256Hex | null = null;

  constructor(options: Sha256StreamOptions = {}) {
    super();
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes seen so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The digest. Only after the last byte (a caller's bug before). */
  digest(): FileDigest {
    if (this.#sha256 === null) throw new Error("The stream has not ended yet");
    return { sha256: this.#sha256, bytes: this.#bytes };
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) {
      done(
        new CheckpointError(CheckpointErrorCode.ByteLimit, "Stream is longer than its limit", {
          fields: { maxBytes: this.#maxBytes },
        }),
      );
      return;
    }
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.#sha256 = this.#hash.digest("hex");
    done();
  }
}

const CHUNK_BYTES = 1 << 20;
