/** One tensor as the header states it, not yet checked against the file. */
export interface StatedTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly [number, number];
}

/** A header's JSON, parsed but not yet checked against the file. */
export interface StatedHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, StatedTensor>;
}

/** The text breaks the header's grammar. Caught by the header parser, which turns it into a rejection. */
export class HeaderSyntax extends Error {}

/** The text ends where the grammar wants more. */
class HeaderEnds extends HeaderSyntax {}

/**
 * Parses a safetensors header by its own small grammar instead of `JSON.parse`.
 *
 * The grammar has a fixed depth, so nesting costs nothing; every key is seen, so duplicates are found; names go into
 * maps, so `__proto__` is a name like any other. Numbers are non-negative safe integers without sign, fraction or
 * exponent. Only spaces may follow the object.
 *
 * @throws HeaderSyntax at the first character that does not fit, or at the tensor after `maxTensors`.
 */
export function parseHeaderJson(text: string, maxTensors: number): StatedHeader {
  const cursor = new Cursor(text);
  const stated = new StatedMembers();
  stated.readFrom(cursor, maxTensors);
  cursor.trailingSpaces();
  return stated;
}

/**
 * What the first part of a header states: its whole tensors and metadata; what the text ends in the middle of is left out.
 *
 * @throws HeaderSyntax at the first character that cannot be part of any header, or at the tensor after `maxTensors`.
 */
export function parseHeaderStart(text: string, maxTensors: number): StatedHeader {
  const stated = new StatedMembers();
  try {
    stated.readFrom(new Cursor(text), maxTensors);
  } catch (error) {
    if (!(error instanceof HeaderEnds)) throw error;
  }
  return stated;
}

/** A stranger's text for people: quoted, escaped, and no longer than a line. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
  return quoted.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Collects a header's members; holds what was whole when reading stopped. */
class StatedMembers implements StatedHeader {
  readonly tensors = new Map<string, StatedTensor>();
  metadata: ReadonlyMap<string, string> = new Map();
  #hasMetadata = false;

  readFrom(cursor: Cursor, maxTensors: number): void {
    cursor.object((name) => {
      if (name === "__metadata__") {
        if (this.#hasMetadata) throw new HeaderSyntax("duplicate key __metadata__");
        this.#hasMetadata = true;
        this.metadata = parseMetadata(cursor);
        return;
      }
      if (this.tensors.has(name)) throw new HeaderSyntax(`duplicate key ${quote(name)}`);
      if (this.tensors.size === maxTensors) throw new HeaderSyntax(`more than ${maxTensors} tensors`);
      this.tensors.set(name, parseTensor(cursor));
    });
  }
}

function parseMetadata(cursor: Cursor): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  cursor.object((key) => {
    if (metadata.has(key)) throw new HeaderSyntax(`duplicate metadata key ${quote(key)}`);
    if (metadata.size === MAX_METADATA_KEYS) throw new HeaderSyntax("too many metadata keys");
    const value = cursor.string();
    if (key.length + value.length > MAX_METADATA_CHARACTERS) throw new HeaderSyntax("metadata value too long");
    metadata.set(key, value);
  });
  return metadata;
}

function parseTensor(cursor: Cursor): StatedTensor {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  cursor.object((field) => {
    if (field === "dtype" && dtype === undefined) dtype = cursor.string();
    else if (field === "shape" && shape === undefined) shape = cursor.integers(MAX_DIMENSIONS);
    else if (field === "data_offsets" && offsets === undefined) offsets = cursor.integers(2);
    else throw new HeaderSyntax(`unexpected or repeated field ${quote(field)} of a tensor`);
  });
  const [begin, end] = offsets ?? [];
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined) {
    throw new HeaderSyntax("a tensor lacks dtype, shape or data_offsets");
  }
  return { dtype, shape, offsets: [begin, end] };
}

const MAX_METADATA_KEYS = 64;
const MAX_METADATA_CHARACTERS = 8192;
const MAX_DIMENSIONS = 8;

/** A position in the text; every method consumes what it names or throws. */
class Cursor {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  object(member: (key: string) => void): void {
    this.#expect("{");
    if (this.#accept("}")) return;
    do {
      const key = this.string();
      this.#expect(":");
      member(key);
    } while (this.#accept(","));
    this.#expect("}");
  }

  integers(maxLength: number): number[] {
    const values: number[] = [];
    this.#expect("[");
    if (this.#accept("]")) return values;
    do {
      if (values.length === maxLength) throw new HeaderSyntax(`more than ${maxLength} numbers in a list`);
      values.push(this.#integer());
    } while (this.#accept(","));
    this.#expect("]");
    return values;
  }

  string(): string {
    this.#expect('"');
    const begin = this.#position;
    let escaped = false;
    for (;;) {
      const code = this.#text.charCodeAt(this.#position);
      if (Number.isNaN(code)) throw new HeaderEnds("unterminated string or control character");
      if (code < 0x20) throw new HeaderSyntax("unterminated string or control character");
      this.#position += 1;
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        this.#position += 1;
      }
    }
    const end = this.#position - 1;
    return escaped ? unescapeLiteral(this.#text.slice(begin - 1, end + 1)) : this.#text.slice(begin, end);
  }

  trailingSpaces(): void {
    for (; this.#position < this.#text.length; this.#position += 1) {
      if (this.#text.charCodeAt(this.#position) !== SPACE) throw new HeaderSyntax("text after the header's object");
    }
  }

  #integer(): number {
    this.#skipWhitespace();
    INTEGER.lastIndex = this.#position;
    const digits = INTEGER.exec(this.#text)?.[0];
    const value = Number(digits);
    if (digits === undefined || !Number.isSafeInteger(value)) {
      throw this.#unexpected(`expected a safe non-negative integer at character ${this.#position}`);
    }
    this.#position += digits.length;
    return value;
  }

  #accept(character: string): boolean {
    this.#skipWhitespace();
    if (this.#text[this.#position] !== character) return false;
    this.#position += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#accept(character)) throw this.#unexpected(`expected ${character} at character ${this.#position}`);
  }

  #unexpected(message: string): HeaderSyntax {
    return this.#position === this.#text.length ? new HeaderEnds(message) : new HeaderSyntax(message);
  }

  #skipWhitespace(): void {
    while (WHITESPACE.has(this.#text.charCodeAt(this.#position))) this.#position += 1;
  }
}

function unescapeLiteral(literal: string): string {
  try {
    const value: unknown = JSON.parse(literal);
    if (typeof value === "string" && value.isWellFormed()) return value;
  } catch (error) {
    throw new HeaderSyntax("invalid escape in a string", { cause: error });
  }
  throw new HeaderSyntax("half a surrogate pair in a string");
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const WHITESPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const INTEGER = /(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y;
