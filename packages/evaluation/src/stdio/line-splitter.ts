export interface LineSplitterOptions {
  readonly maxBytes: number;
  /** Without its end of line. */
  readonly onLine: (line: string) => void;
  /** Called once for a line that is too long, with its beginning; the rest of it is dropped. */
  readonly onTooLong: (beginning: string) => void;
}

const NEWLINE = 0x0a;
const SHOWN_BYTES = 200;

/** Cuts bytes from a stranger into lines, and keeps no more of them than one line may have. */
export class LineSplitter {
  readonly #options: LineSplitterOptions;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #dropping = false;

  constructor(options: LineSplitterOptions) {
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#keep(rest.subarray(0, end));
      this.#finish();
      rest = rest.subarray(end + 1);
    }
    this.#keep(rest);
  }

  /** What came after the last end of line is a line as well, if it is anything. */
  end(): void {
    if (this.#bytes > 0) this.#finish();
  }

  #keep(piece: Uint8Array): void {
    if (this.#dropping || piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes <= this.#options.maxBytes) return;
    const beginning = this.#text().slice(0, SHOWN_BYTES);
    this.#forget();
    this.#dropping = true;
    this.#options.onTooLong(beginning);
  }

  #finish(): void {
    const dropped = this.#dropping;
    const line = this.#text();
    this.#forget();
    this.#dropping = false;
    if (!dropped) this.#options.onLine(line);
  }

  #text(): string {
    return Buffer.concat(this.#pieces).toString("utf8");
  }

  #forget(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
