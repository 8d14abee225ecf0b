import { type FileHandle, open, stat } from "node:fs/promises";
import { abortable } from "@assay/runtime/time/abortable";

/** Some of a gradient's values as they lie in a file: float32, little-endian. */
export interface GradientPiece {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  /** Fulfilled as soon as they lie there, and never rejected; there already when not given. */
  readonly ready?: Promise<void>;
}

/** A group's pseudo-gradient, as `writePseudoGradient` lays it out: its pieces one after the other. */
export type Gradient = readonly GradientPiece[];

/** A gradient that lies whole in a file of its own. */
export async function gradientInFile(path: string): Promise<Gradient> {
  return [{ path, offset: 0, bytes: (await stat(path)).size }];
}

/** Reads a gradient once from its beginning to its end, and waits for pieces that are still to come. */
export class GradientReader {
  readonly #pieces: Gradient;
  #piece = 0;
  /** Bytes of that piece which were read. */
  #read = 0;
  #open: { readonly path: string; readonly file: FileHandle } | null = null;

  constructor(pieces: Gradient) {
    this.#pieces = pieces;
  }

  /** Fills the buffer with what comes next. @returns fewer bytes than it holds only at the gradient's end. */
  async fill(buffer: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) break;
      if (piece.ready !== undefined) await (signal ? abortable(piece.ready, signal) : piece.ready);
      const length = Math.min(piece.bytes - this.#read, buffer.length - filled);
      const file = await this.#file(piece.path);
      const { bytesRead } = await file.read(buffer, filled, length, piece.offset + this.#read);
      if (bytesRead === 0 && length > 0) break;
      filled += bytesRead;
      this.#read += bytesRead;
      if (this.#read < piece.bytes) continue;
      this.#piece += 1;
      this.#read = 0;
    }
    return filled;
  }

  async close(): Promise<void> {
    const opened = this.#open;
    this.#open = null;
    await opened?.file.close();
  }

  async #file(path: string): Promise<FileHandle> {
    if (this.#open?.path === path) return this.#open.file;
    await this.close();
    const file = await open(path, "r");
    this.#open = { path, file };
    return file;
  }
}
