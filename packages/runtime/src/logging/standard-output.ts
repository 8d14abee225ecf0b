import { Writable } from "node:stream";

/**
 * Standard output that may lose its reader (a closed pipe, a log shipper that ended) without harm to the service.
 *
 * The first failure is said on standard error; from then on lines are dropped here and go to the file alone. Without
 * this, every line about the failure would fail again.
 */
export class StandardOutput extends Writable {
  readonly #target: NodeJS.WriteStream;
  #gone = false;

  constructor(target: NodeJS.WriteStream = process.stdout) {
    super({ decodeStrings: false });
    this.#target = target;
    target.on("error", (error) => this.#onError(error));
    // Where that is said may be gone as well.
    process.stderr.on("error", () => undefined);
  }

  override _write(chunk: string | Buffer, _encoding: string, callback: () => void): void {
    if (this.#gone) callback();
    else this.#target.write(chunk, () => callback());
  }

  #onError(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    process.stderr.write(`Standard output is gone: ${error.message}\n`);
  }
}
