import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { isAppError } from "@assay/core/app-error";
import type { Sha256Hex } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { isTemporary, syncFolder, temporaryPath, withFile } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { fileNamePart } from "../layout.ts";
import { Serial } from "../serial.ts";
import { type ComposedFile, READ_BYTES } from "./composed-file.ts";

export interface WholeFilesOptions {
  /** A folder of this process's own, by content: each file's name is its SHA-256. */
  readonly folder: string;
  /** All files together; a file that does not fit is not written. 0 for no limit. */
  readonly maxBytes: number;
  /** Free bytes to leave on the volume. */
  readonly reserveBytes: number;
}

/** Bytes and the digest that they were published under. */
export interface NamedContent {
  readonly sha256: Sha256Hex;
  readonly content: ComposedFile;
}

/**
 * Composed files written out, once each, for somebody who can only send files.
 *
 * A file gets its name when its bytes hash to it and are on the disk, so whatever has a name is whole, also after a
 * crash. One is written at a time: two would only halve each other's speed.
 */
export class WholeFiles implements Startable {
  readonly #logger: Logger;
  readonly #options: WholeFilesOptions;
  readonly #files = new Map<Sha256Hex, number>();
  readonly #writing = new Map<Sha256Hex, Promise<void>>();
  readonly #serial = new Serial();
  readonly #stopping = new AbortController();
  /** Digests that were not written, until when nobody tries again. */
  readonly #resting = new Map<Sha256Hex, number>();

  constructor({ logger }: { readonly logger: Logger }, options: WholeFilesOptions) {
    this.#logger = logger.child({ module: "whole-files" });
    this.#options = options;
  }

  /** Makes the folder, removes what a crash left unfinished, and finds what is there. */
  async start(_signal: AbortSignal): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      if (isTemporary(name)) await rm(join(folder, name), { force: true });
      else if (/^[0-9a-f]{64}$/.test(name)) this.#files.set(name, (await stat(join(folder, name))).size);
    }
  }

  /** Gives up what is being written. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    await Promise.allSettled(this.#writing.values());
  }

  /** Whether the file lies there whole. */
  has(sha256: Sha256Hex): boolean {
    return this.#files.has(sha256);
  }

  /** Bytes of all files. */
  get bytes(): number {
    return [...this.#files.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Writes the file, unless that was done, is being done, or failed less than a minute ago; all who ask meanwhile wait
   * for the same writing. A failure is logged, not thrown: the bytes can still be sent from where they lie.
   */
  async want(file: NamedContent): Promise<void> {
    const { sha256 } = file;
    if (this.has(sha256) || this.#stopping.signal.aborted || (this.#resting.get(sha256) ?? 0) > Date.now()) return;
    const writing = this.#writing.get(sha256) ?? this.#writeLogged(file).finally(() => this.#writing.delete(sha256));
    this.#writing.set(sha256, writing);
    await writing;
  }

  /** Removes every file but these. Who has one open goes on reading it. */
  async retain(kept: ReadonlySet<Sha256Hex>): Promise<void> {
    const removed = [...this.#files.keys()].filter((sha256) => !kept.has(sha256));
    for (const sha256 of removed) {
      this.#files.delete(sha256);
      await rm(this.#path(sha256), { force: true }).catch((error: unknown) => {
        this.#logger.warn("Cannot remove a file that is no longer served", { sha256 }, error);
      });
    }
  }

  async #writeLogged(file: NamedContent): Promise<void> {
    const { sha256, content } = file;
    const started = performance.now();
    try {
      await this.#serial.run("write", () => this.#write(file));
      this.#files.set(sha256, content.bytes);
      const ms = Math.round(performance.now() - started);
      this.#logger.info("Wrote a file to serve", { sha256: sha256.slice(0, 12), bytes: content.bytes, ms });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#resting.set(sha256, Date.now() + REST_MILLIS);
      const code = isAppError(error) ? error.code : undefined;
      this.#logger.warn("Cannot write a file to serve; it is sent from where it lies", { code, sha256 }, error);
    }
  }

  async #write({ sha256, content }: NamedContent): Promise<void> {
    await this.#ensureRoom(content.bytes);
    const path = this.#path(sha256);
    const temporary = temporaryPath(path);
    try {
      const actual = await copyHashed(content, temporary, this.#stopping.signal);
      if (actual !== sha256) {
        throw new CheckpointError(CheckpointErrorCode.HashMismatch, "Digest differs from the manifest", {
          fields: { expected: sha256, actual },
        });
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(this.#options.folder);
  }

  async #ensureRoom(bytes: number): Promise<void> {
    const { folder, maxBytes, reserveBytes } = this.#options;
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const room = maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes - this.bytes;
    if (bytes + reserveBytes <= free && bytes <= room) return;
    throw new CheckpointError(CheckpointErrorCode.VolumeFull, "No room to write the file", {
      retryable: true,
      fields: { folder, bytes, free, reserveBytes, maxBytes },
    });
  }

  #path(sha256: Sha256Hex): string {
    return join(this.#options.folder, fileNamePart(sha256));
  }
}

const REST_MILLIS = 60_000;

/** Writes and syncs a copy. @returns the SHA-256 of what was written. */
async function copyHashed(content: ComposedFile, path: string, signal: AbortSignal): Promise<Sha256Hex> {
  const hash = createHash("sha256");
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);
  const source = content.open();
  try {
    await withFile(path, "wx", async (file) => {
      for (let position = 0; position < content.bytes; position += READ_BYTES) {
        signal.throwIfAborted();
        const piece = memory.subarray(0, content.bytes - position);
        await source.fill(piece, position);
        hash.update(piece);
        await file.writeFile(piece);
      }
      await file.sync();
    });
  } finally {
    await source.close();
  }
  return hash.digest("hex");
}
