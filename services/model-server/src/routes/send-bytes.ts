import { freeMemory } from "@assay/checkpoint/free-memory";
import type { ByteRange, ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { Response } from "express";
import { paceOf } from "../limits/bandwidth.ts";

/**
 * Sends a range of a composed file and ends the response.
 *
 * Large pieces go from pooled memory straight to the socket: no stream in between, no memory per piece. How large
 * depends on how many transfers share the memory. While they are few, the next piece is read as the one before is being
 * sent. A client that does not read holds one piece, and two at most.
 *
 * @throws what reading failed with, or an error with code `ERR_STREAM_PREMATURE_CLOSE` when the client went away.
 */
export async function sendBytes(response: Response, content: ComposedFile, { start, end }: ByteRange): Promise<void> {
  const pace = paceOf(response);
  // The head need not wait for the first piece's share.
  if (pace !== undefined) response.flushHeaders();
  const mostBytes = pace === undefined ? Number.POSITIVE_INFINITY : PACED_BYTES;
  const file = content.open();
  let sending: Promise<void> = Promise.resolve();
  let unsent: Buffer | null = null;
  pieces.join();
  try {
    for (let position = start; position < end; ) {
      const memory = await reads.take(async () => {
        const taken = pieces.take();
        await file.fill(taken.subarray(0, Math.min(end - position, mostBytes)), position);
        return taken;
      });
      unsent = memory;
      const piece = memory.subarray(0, Math.min(end - position, mostBytes));
      position += piece.length;
      await sending;
      if (pace !== undefined) await pace.take(piece.length);
      unsent = null;
      sending = written(response, (done) => {
        response.write(piece, (error) => {
          // Also of a client that is gone: from here on nobody reads the piece.
          pieces.give(memory);
          done(error);
        });
      });
      sending.catch(() => undefined);
      if (!pieces.readsAhead) await sending;
    }
    await sending;
    await written(response, (done) => response.end(done));
  } finally {
    if (unsent !== null) pieces.give(unsent);
    pieces.leave();
    await file.close();
  }
}

/** Calls `write` and waits until its bytes are with the kernel, or the connection is gone. */
export function written(response: Response, write: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(Object.assign(new Error("The client went away"), { code: "ERR_STREAM_PREMATURE_CLOSE" }));
    if (response.destroyed) {
      gone();
      return;
    }
    response.once("close", gone);
    write((error) => {
      response.off("close", gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * How large pieces are while so many transfers run, and whether the next is read meanwhile. Larger ones cost fewer calls
 * and wake-ups of threads, smaller ones stay in the processor's cache: packages/docs/adr/0035-speed-of-the-public-edge.md
 * has the measurements. All together have at most 48 MiB.
 */
const SHARES = [
  { transfers: 2, pieceBytes: 2048 << 10, readsAhead: true },
  { transfers: 16, pieceBytes: 512 << 10, readsAhead: true },
  { transfers: 64, pieceBytes: 768 << 10, readsAhead: false },
] as const;
/** Most at a time of a transfer whose bandwidth is limited: it waits for all of a piece's share. */
const PACED_BYTES = 512 << 10;
const LEAST_SHARE = { pieceBytes: 192 << 10, readsAhead: false };

/** Memory that transfers read into, in turns. */
class PiecePool {
  readonly #idle: Buffer[] = [];
  #transfers = 0;
  #share: { readonly pieceBytes: number; readonly readsAhead: boolean } = SHARES[0];

  /** Whether a transfer may have two pieces. */
  get readsAhead(): boolean {
    return this.#share.readsAhead;
  }

  /** Of a transfer, before it takes a piece. */
  join(): void {
    this.#transfers += 1;
    this.#fit();
  }

  leave(): void {
    this.#transfers -= 1;
    this.#fit();
  }

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#share.pieceBytes);
  }

  /** Once for each piece that was taken; one that is not given back is left to the collector. */
  give(piece: Buffer): void {
    if (piece.length === this.#share.pieceBytes) this.#idle.push(piece);
    else freeMemory(piece);
  }

  #fit(): void {
    this.#share = SHARES.find(({ transfers }) => this.#transfers <= transfers) ?? LEAST_SHARE;
    // All idle pieces have one size.
    if (this.#idle[0]?.length !== this.#share.pieceBytes) {
      for (const piece of this.#idle.splice(0)) freeMemory(piece);
    }
  }
}

/** Lets so many go on at a time, in the order in which they came. */
class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async take<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** One thread less than Node reads files with: what another endpoint reads does not wait behind 64 downloads. */
const reads = new Turns(3);

const pieces = new PiecePool();
