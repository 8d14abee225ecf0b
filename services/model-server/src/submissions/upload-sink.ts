import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import type { FileDigest } from "@assay/checkpoint/digest";
import type { EarlyInspection } from "@assay/checkpoint/inbox/early-inspection";
import type { TakenRoom } from "@assay/checkpoint/inbox/upload-room";
import type { Pace } from "../limits/bandwidth.ts";
import type { Refusal } from "../refusal.ts";
import { cannotBecomeSubmission, tooLarge } from "./upload-refusals.ts";

/** Why an upload is not read any further. */
export class UploadStopped extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

export interface UploadSinkOptions {
  readonly maxBytes: number;
  /** Null while no model is known to judge the bytes by. */
  readonly inspection: EarlyInspection | null;
  readonly room: TakenRoom;
  /** Undefined when it may come as fast as it can. */
  readonly pace: Pace | undefined;
}

/** As much is collected while the disk is written to; twice as much is held at most. */
const COLLECTED_BYTES = 1 << 20;

type Done = (error?: Error | null) => void;

/**
 * An upload's way to the disk: inspects, counts, hashes while the same bytes are written, and syncs the file at the end.
 *
 * Fails with {@link UploadStopped} at the first byte that makes a submission impossible.
 */
export class UploadSink extends Writable {
  readonly #file: FileHandle;
  readonly #options: UploadSinkOptions;
  readonly #hash = createHash("sha256");
  #receivedBytes = 0;
  #bytes = 0;
  #digest: FileDigest | null = null;
  #measuredAt = performance.now();
  #measuredBytes = 0;
  #busyMillis = 0;
  #busySince: number | null = null;

  constructor(file: FileHandle, options: UploadSinkOptions) {
    super({ highWaterMark: COLLECTED_BYTES, decodeStrings: false });
    this.#file = file;
    this.#options = options;
  }

  /** Bytes that were taken to be written, also when they could not be. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The digest. Only after the last byte (a caller's bug before). */
  digest(): FileDigest {
    if (this.#digest === null) {
      throw new Error("The upload has not ended yet");
    }
    return this.#digest;
  }

  /**
   * Whether less came since the last time this was asked. Time in which the disk was written to does not count: a slow
   * disk is not the client's fault.
   */
  isSlowerThan(bytesPerSecond: number): boolean {
    const now = performance.now();
    this.#stopBusy(now);
    const waitedMillis = Math.max(0, now - this.#measuredAt - this.#busyMillis);
    const bytes = this.#bytes + this.writableLength - this.#measuredBytes;
    this.#measuredAt = now;
    this.#measuredBytes += bytes;
    this.#busyMillis = 0;
    return bytes < (bytesPerSecond * waitedMillis) / 1000;
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: Done): void {
    this.#busySince = performance.now();
    this.#take(chunks.map(({ chunk }) => chunk))
      .finally(() => {
        this.#stopBusy(performance.now());
        this.#busySince = null;
      })
      .then(() => done(), done);
  }

  override _final(done: Done): void {
    const fault = this.#options.inspection?.end() ?? null;
    if (fault !== null) {
      done(new UploadStopped(cannotBecomeSubmission(fault)));
      return;
    }
    this.#file.sync().then(() => {
      this.#digest = { sha256: this.#hash.digest("hex"), bytes: this.#bytes };
      done();
    }, done);
  }

  async #take(chunks: readonly Buffer[]): Promise<void> {
    const { maxBytes, inspection, room, pace } = this.#options;
    let taken = 0;
    for (const chunk of chunks) {
      taken += chunk.length;
      this.#receivedBytes += chunk.length;
      if (this.#bytes + taken > maxBytes) {
        throw new UploadStopped(tooLarge(maxBytes));
      }
      const fault = inspection?.take(chunk) ?? null;
      if (fault !== null) {
        throw new UploadStopped(cannotBecomeSubmission(fault));
      }
    }
    // Bytes that are not taken stay with the client; the time is ours, as that of a slow disk is.
    await pace?.take(taken);
    const written = writeAll(this.#file, chunks, taken);
    for (const chunk of chunks) {
      this.#hash.update(chunk);
    }
    await written;
    this.#bytes += taken;
    room.wrote(taken);
  }

  #stopBusy(now: number): void {
    if (this.#busySince !== null) {
      this.#busyMillis += now - Math.max(this.#busySince, this.#measuredAt);
      this.#busySince = now;
    }
  }
}

/** A disk that becomes full writes a part first and fails at the rest. */
async function writeAll(file: FileHandle, chunks: readonly Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(chunks);
  if (bytesWritten < bytes) {
    await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
  }
}
