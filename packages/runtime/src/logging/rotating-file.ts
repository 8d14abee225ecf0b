import { close, existsSync, fstatSync, mkdirSync, openSync, renameSync, writeFile } from "node:fs";
import { dirname } from "node:path";
import { Writable } from "node:stream";

export interface RotatingFileOptions {
  readonly path: string;
  /** Size at which the file becomes `<path>.1`, that `<path>.2`, and so on. */
  readonly maxBytes: number;
  /** Files kept besides the current one. */
  readonly kept: number;
}

/**
 * A file that is appended to and never grows beyond a size; its newest lines are always under its own name.
 *
 * A full or broken disk must not stop the service: lines are dropped and standard error says so once.
 */
export class RotatingFile extends Writable {
  readonly #options: RotatingFileOptions;
  #descriptor: number | null = null;
  #bytes = 0;
  #failing = false;

  constructor(options: RotatingFileOptions) {
    super({ decodeStrings: true });
    this.#options = options;
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", callback);
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    try {
      writeFile(this.#openFor(chunk.length), chunk, (error) => {
        this.#report(error);
        callback();
      });
      this.#bytes += chunk.length;
    } catch (error) {
      this.#report(error);
      callback();
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#descriptor === null) callback();
    else close(this.#descriptor, callback);
  }

  #openFor(bytes: number): number {
    const { path, maxBytes } = this.#options;
    if (this.#descriptor !== null && this.#bytes > 0 && this.#bytes + bytes > maxBytes) {
      close(this.#descriptor, (error) => this.#report(error));
      this.#descriptor = null;
      this.#shift();
    }
    if (this.#descriptor === null) {
      mkdirSync(dirname(path), { recursive: true });
      this.#descriptor = openSync(path, "a");
      this.#bytes = fstatSync(this.#descriptor).size;
    }
    return this.#descriptor;
  }

  #shift(): void {
    const { path, kept } = this.#options;
    const names = [path, ...Array.from({ length: kept }, (_, index) => `${path}.${index + 1}`)];
    for (let index = kept; index > 0; index -= 1) {
      const from = names[index - 1];
      const to = names[index];
      if (from !== undefined && to !== undefined && existsSync(from)) renameSync(from, to);
    }
  }

  #report(error: unknown): void {
    if (error instanceof Error && !this.#failing) {
      process.stderr.write(`Cannot write ${this.#options.path}: ${error.message}\n`);
    }
    this.#failing = error instanceof Error;
  }
}
