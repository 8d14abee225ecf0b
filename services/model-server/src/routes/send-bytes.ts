import { type ByteRange, type ComposedFile, READ_BYTES } from "@assay/checkpoint/store/composed-file";
import type { Response } from "express";
import { paceOf } from "../limits/bandwidth.ts";

/**
 * Sends a range of a composed file and ends the response.
 *
 * Pieces of half a megabyte go from pooled memory straight to the socket: no stream in between, no memory per piece.
 * The next piece is read while the one before is being sent, unless many transfers share the memory. A client that
 * does not read holds one piece, and two at most.
 *
 * @throws what reading failed with, or an error with code `ERR_STREAM_PREMATURE_CLOSE` when the client went away.
 */
export async function sendBytes(response: Response, content: ComposedFile, { start, end }: ByteRange): Promise<void> {
  const pace = paceOf(response);
  // The head need not wait for the first piece's share.
  if (pace !== undefined) response.flushHeaders();
  const file = content.open();
  const lent = new Set<Buffer>();
  let sending: Promise<void> = Promise.resolve();
  try {
    for (let position = start; position < end; position += READ_BYTES) {
      const memory = await reads.take(async () => {
        const taken = pieces.take(lent);
        await file.fill(taken.subarray(0, end - position), position);
        return taken;
      });
      const piece = memory.subarray(0, end - position);
      await sending;
      if (pace !== undefined) await pace.take(piece.length);
      sending = written(response, (done) => response.write(piece, done)).then(() => pieces.give(memory, lent));
      sending.catch(() => undefined);
      if (pieces.areMany) await sending;
    }
    await sending;
    await written(response, (done) => response.end(done));
  } finally {
    pieces.forget(lent);
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

/** Memory that transfers read into, in turns. */
class PiecePool {
  readonly #idle: Buffer[] = [];
  #lent = 0;

  /** From here on, 16 MiB, nobody reads ahead: 64 transfers then take 32 MiB. */
  get areMany(): boolean {
    return this.#lent >= MANY_PIECES;
  }

  take(lent: Set<Buffer>): Buffer {
    const piece = this.#idle.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
    this.#lent += 1;
    lent.add(piece);
    return piece;
  }

  give(piece: Buffer, lent: Set<Buffer>): void {
    if (!lent.delete(piece)) return;
    this.#lent -= 1;
    if (this.#idle.length < MANY_PIECES) this.#idle.push(piece);
  }

  /** What a transfer had when it was cut: a socket may still read from it, so it is not used again. */
  forget(lent: Set<Buffer>): void {
    this.#lent -= lent.size;
    lent.clear();
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

const MANY_PIECES = 32;
const pieces = new PiecePool();
