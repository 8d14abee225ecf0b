import { createCipheriv, createDecipheriv } from "node:crypto";
import { SessionError, SessionErrorCode } from "./session-error.ts";

/** Most plain bytes of one record. */
export const MAX_RECORD_BYTES: number = 64 * 1024;

const CIPHER = "aes-256-gcm";
/** One byte of kind, three of the plain length, big-endian. */
const HEADER_BYTES = 4;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const KIND = { bytes: 0, end: 1 } as const;

/** Makes the records of one direction: header, bytes under AES-256-GCM, tag. The nonce is the record's number. */
export class RecordSealer {
  readonly #key: Uint8Array;
  #count = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** @param bytes 1 to {@link MAX_RECORD_BYTES}. */
  seal(bytes: Uint8Array): Buffer {
    return this.#seal(KIND.bytes, bytes);
  }

  /** The last record: what comes without it was cut. */
  end(): Buffer {
    return this.#seal(KIND.end, new Uint8Array());
  }

  #seal(kind: number, bytes: Uint8Array): Buffer {
    const header = headerOf(kind, bytes.length);
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(this.#count), { authTagLength: TAG_BYTES });
    this.#count += 1;
    cipher.setAAD(header);
    const sealed = cipher.update(bytes);
    return Buffer.concat([header, sealed, cipher.final(), cipher.getAuthTag()]);
  }
}

/** Reads the records of one direction from bytes as they come. What it gives was authentic, whole and in order. */
export class RecordOpener {
  readonly #key: Uint8Array;
  readonly #gathered = new GatheredBytes();
  /** Of the record whose rest is to come. */
  #header: Buffer | null = null;
  #count = 0;
  #isEnded = false;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Whether the last record was read. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * The plain bytes of every record that is complete with this chunk.
   *
   * @throws SessionError `SESSION_RECORD_INVALID` at the first record that is not the next one of this session.
   */
  *open(chunk: Buffer): Generator<Buffer> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#isEnded) throw invalid("Bytes after the last record");
      const wanted = this.#header === null ? HEADER_BYTES : plainLength(this.#header) + TAG_BYTES;
      const [piece, left] = this.#gathered.next(rest, wanted);
      rest = left;
      if (piece === null) return;
      if (this.#header === null) {
        this.#header = checkedHeader(piece);
      } else {
        const bytes = this.#unseal(this.#header, piece);
        if (kindOf(this.#header) === KIND.end) this.#isEnded = true;
        else yield bytes;
        this.#header = null;
      }
    }
  }

  #unseal(header: Buffer, sealed: Buffer): Buffer {
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(this.#count), { authTagLength: TAG_BYTES });
    this.#count += 1;
    decipher.setAAD(header);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const bytes = decipher.update(sealed.subarray(0, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      throw invalid("A record is not authentic");
    }
    return bytes;
  }
}

function headerOf(kind: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(kind, 0);
  header.writeUIntBE(length, 1, 3);
  return header;
}

/** Its own copy of a header. Only what can begin a record makes anybody wait for its end. */
function checkedHeader(piece: Buffer): Buffer {
  const header = Buffer.from(piece);
  const length = plainLength(header);
  const isPossible = kindOf(header) === KIND.bytes ? length > 0 && length <= MAX_RECORD_BYTES : length === 0;
  if (!isPossible || kindOf(header) > KIND.end) throw invalid("No record begins like this");
  return header;
}

function kindOf(header: Buffer): number {
  return header.readUInt8(0);
}

function plainLength(header: Buffer): number {
  return header.readUIntBE(1, 3);
}

function nonceOf(count: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(count), NONCE_BYTES - 8);
  return nonce;
}

function invalid(message: string): SessionError {
  return new SessionError(SessionErrorCode.RecordInvalid, message);
}

/** Bytes that wait for more: never more than one piece, in memory that grows by doubling as they come. */
class GatheredBytes {
  #memory: Buffer = Buffer.alloc(0);
  #length = 0;

  /** The next `wanted` bytes, or null while there are too few, and what is left of the chunk. */
  next(chunk: Buffer, wanted: number): readonly [piece: Buffer | null, rest: Buffer] {
    const missing = wanted - this.#length;
    const rest = chunk.subarray(missing);
    if (this.#length === 0 && chunk.length >= wanted) return [chunk.subarray(0, wanted), rest];
    this.#add(chunk.subarray(0, missing), wanted);
    if (this.#length < wanted) return [null, rest];
    const piece = this.#memory.subarray(0, wanted);
    this.#length = 0;
    return [piece, rest];
  }

  #add(bytes: Buffer, most: number): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#memory.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(most, this.#memory.length * 2)));
      this.#memory.copy(larger, 0, 0, this.#length);
      this.#memory = larger;
    }
    this.#memory.set(bytes, this.#length);
    this.#length = needed;
  }
}
