import type { TensorShape } from "../safetensors/dtype.ts";
import { limitsFor, parseHeader, parseHeaderBeginning, parseHeaderLength } from "../safetensors/header.ts";
import { firstTensorsFault, type TensorsFault, tensorsFault } from "../tensors-fault.ts";

/** Why bytes that are still arriving cannot become a submission; `detail` is safe to log and to send back. */
export type EarlyFault = TensorsFault | { readonly reason: "malformed"; readonly detail: string };

/** A header that is longer than this is judged by this much of it before the rest is waited for. */
const EARLY_BYTES = 100_000;
const LENGTH_BYTES = 8;

/**
 * Judges a submission by its header while it arrives, by the same rules as inspection does afterwards.
 *
 * Looks three times: at the length prefix, at the first 100 kB of a longer header, and at the whole header. Holds a
 * copy of the header's bytes until then and nothing after; a header cannot be longer than the group's tensors allow.
 *
 * @see packages/docs/protocol.md §6.5
 */
export class EarlyInspection {
  readonly #expected: ReadonlyMap<string, TensorShape>;
  readonly #declaredBytes: number | null;
  #pieces: Uint8Array[] = [];
  #seen = 0;
  #dataStart: number | null = null;
  #judgedBeginning = false;
  /** Length of the whole file, once the header was judged. */
  #fileBytes: number | null = null;

  /** @param declaredBytes length of the whole file; null when the sender does not say. */
  constructor(expected: ReadonlyMap<string, TensorShape>, declaredBytes: number | null) {
    this.#expected = expected;
    this.#declaredBytes = declaredBytes;
  }

  /** The next bytes. @returns why they cannot be part of a submission; null while they may be. */
  take(chunk: Uint8Array): EarlyFault | null {
    this.#seen += chunk.length;
    if (this.#fileBytes !== null) return this.#restFault(this.#fileBytes);
    this.#pieces.push(new Uint8Array(chunk));
    return this.#lengthFault() ?? this.#beginningFault() ?? this.#headerFault();
  }

  /** No byte follows. @returns why what came is not a whole file. */
  end(): EarlyFault | null {
    if (this.#fileBytes !== null && this.#seen === this.#fileBytes) return null;
    const wanted = this.#fileBytes === null ? "its header ends" : `its ${this.#fileBytes} bytes`;
    return malformed(`the file ends after ${this.#seen} bytes, before ${wanted}`);
  }

  #lengthFault(): EarlyFault | null {
    if (this.#dataStart !== null || this.#seen < LENGTH_BYTES) return null;
    const parsed = parseHeaderLength(this.#head(), this.#limits, this.#declaredBytes);
    if (parsed.kind === "rejected") return malformed(parsed.detail);
    this.#dataStart = parsed.dataStart;
    return null;
  }

  #beginningFault(): EarlyFault | null {
    const isLonger = this.#dataStart !== null && this.#dataStart > this.#seen;
    if (!isLonger || this.#judgedBeginning || this.#seen < EARLY_BYTES) return null;
    this.#judgedBeginning = true;
    const parsed = parseHeaderBeginning(this.#head(), this.#limits);
    if (parsed.kind === "rejected") return malformed(parsed.detail);
    return firstTensorsFault(parsed.tensors, this.#expected);
  }

  #headerFault(): EarlyFault | null {
    if (this.#dataStart === null || this.#seen < this.#dataStart) return null;
    const parsed = parseHeader(this.#head(), this.#limits, this.#declaredBytes);
    this.#pieces = [];
    if (parsed.kind === "rejected") return malformed(parsed.detail);
    this.#fileBytes = this.#dataStart + parsed.header.dataBytes;
    return tensorsFault(parsed.header.tensors, this.#expected) ?? this.#restFault(this.#fileBytes);
  }

  #restFault(fileBytes: number): EarlyFault | null {
    return this.#seen > fileBytes ? malformed("bytes after the last tensor") : null;
  }

  #head(): Uint8Array {
    const [first] = this.#pieces;
    return this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
  }

  get #limits() {
    return limitsFor(this.#expected);
  }
}

function malformed(detail: string): EarlyFault {
  return { reason: "malformed", detail };
}
