import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import type { FileDigest } from "@assay/checkpoint/digest";
import { freeMemory } from "@assay/checkpoint/free-memory";
import type { EarlyInspection } from "@assay/checkpoint/inbox/early-inspection";
import type { TakenRoom } from "@assay/checkpoint/inbox/upload-room";
import type { Pace } from "../limits/bandwidth.ts";
import type { Refusal } from "../refusal.ts";
import { BusyTime } from "./busy-time.ts";
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

/** Collected while as much is being written. */
const PIECE_BYTES = 512 * 1024;
/** Waits for its turn while both pieces are full. */
const WAITING_BYTES = 256 * 1024;

type Done = (error?: Error | null) => void;

/**
 * An upload's way to the disk: inspects, counts, hashes and collects bytes while those before are written, and syncs the
 * file at the end.
 *
 * The disk gets what has come as soon as it is done with what came before, at most half a megabyte at a time. Chunks are
 * copied on arrival and not kept. Fails with {@link UploadStopped} at the first byte that makes a submission impossible.
 */
export class UploadSink extends Writable {
  readonly #file: FileHandle;
  readonly #options: UploadSinkOptions;
  readonly #hash = createHash("sha256");
  /** One is filled while the other is written. */
  #pieces: readonly [filling: Buffer, writing: Buffer] = [newPiece(), newPiece()];
  #filledBytes = 0;
  #writing: Promise<void> | null = null;
  #receivedBytes = 0;
  #bytes = 0;
  #digest: FileDigest | null = null;
  readonly #ownsChunks: boolean;
  readonly #busy = new BusyTime();
  #measuredBytes = 0;

  /** @param ownsChunks whether nobody but the sink uses the chunks that it is given: it frees them then. */
  constructor(file: FileHandle, options: UploadSinkOptions, { ownsChunks }: { readonly ownsChunks: boolean }) {
    super({ highWaterMark: WAITING_BYTES, decodeStrings: false });
    this.#ownsChunks = ownsChunks;
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
    const bytes = this.#bytes + this.writableLength - this.#measuredBytes;
    this.#measuredBytes += bytes;
    return bytes < (bytesPerSecond * this.#busy.takeIdleMillis()) / 1000;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    const { pace } = this.#options;
    const refusal = this.#refusalOf(chunk);
    if (refusal !== null) {
      done(new UploadStopped(refusal));
    } else if (pace === undefined && chunk.length <= PIECE_BYTES - this.#filledBytes) {
      this.#collect(chunk);
      this.#free(chunk);
      done();
    } else {
      this.#collectInTime(chunk).then(() => done(), done);
    }
  }

  override _final(done: Done): void {
    const fault = this.#options.inspection?.end() ?? null;
    if (fault !== null) {
      done(new UploadStopped(cannotBecomeSubmission(fault)));
      return;
    }
    this.#finish().then(() => done(), done);
  }

  #refusalOf(chunk: Buffer): Refusal | null {
    const { maxBytes, inspection } = this.#options;
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > maxBytes) {
      return tooLarge(maxBytes);
    }
    const fault = inspection?.take(chunk) ?? null;
    return fault === null ? null : cannotBecomeSubmission(fault);
  }

  /** Waits for bandwidth, and for the disk when both pieces are full. */
  async #collectInTime(chunk: Buffer): Promise<void> {
    const { pace } = this.#options;
    if (pace !== undefined) {
      // Bytes that are not taken stay with the client; the time is ours, as that of a slow disk is.
      await this.#busy.during(pace.take(chunk.length));
    }
    for (let begin = 0; begin < chunk.length; ) {
      if (this.#filledBytes === PIECE_BYTES) {
        await this.#writing;
      }
      const part = chunk.subarray(begin, begin + PIECE_BYTES - this.#filledBytes);
      this.#collect(part);
      begin += part.length;
    }
    this.#free(chunk);
  }

  /** Only what has room. */
  #collect(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.#pieces[0].set(chunk, this.#filledBytes);
    this.#filledBytes += chunk.length;
    this.#bytes += chunk.length;
    if (this.#writing === null) {
      this.#startWriting();
    }
  }

  #startWriting(): void {
    const [filling, writing] = this.#pieces;
    const piece = filling.subarray(0, this.#filledBytes);
    this.#pieces = [writing, filling];
    this.#filledBytes = 0;
    this.#writing = this.#writePiece(piece);
    // Also while nobody waits for it; who does hears of it as well.
    this.#writing.catch((error: unknown) => this.destroy(error as Error));
  }

  /** Goes on with what came meanwhile, before whoever waits for this does. */
  async #writePiece(piece: Buffer): Promise<void> {
    // A disk that becomes full takes a part first and fails at the rest.
    await this.#busy.during(this.#file.writeFile(piece));
    this.#options.room.wrote(piece.length);
    this.#writing = null;
    if (this.#filledBytes > 0 && !this.destroyed) {
      this.#startWriting();
    }
  }

  /**
   * Gives a chunk's memory back at once.
   *
   * Left to the collector, memory of chunks that come at some hundred megabytes a second makes it look through the whole
   * heap ten times a second.
   */
  #free(chunk: Buffer): void {
    if (this.#ownsChunks) {
      freeMemory(chunk);
    }
  }

  async #finish(): Promise<void> {
    while (this.#writing !== null) {
      await this.#writing;
    }
    await this.#busy.during(this.#file.sync());
    this.#digest = { sha256: this.#hash.digest("hex"), bytes: this.#bytes };
  }
}

function newPiece(): Buffer {
  return Buffer.allocUnsafeSlow(PIECE_BYTES);
}
