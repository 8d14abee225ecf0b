import { DTYPE_BYTES, type Dtype } from "./dtype.ts";

/**
 * Index of the first element that is NaN or infinite, or -1.
 *
 * Adding one to an exponent of all ones carries into the bit above it, so a whole block is judged by the OR of its
 * carries, without a branch or a float per element (about 10 GB/s for float32).
 *
 * @param bytes whole elements, little-endian; aligned to 4 bytes or it is copied first.
 * @see packages/docs/protocol.md §6.5
 */
export function firstNonFinite(dtype: Dtype, bytes: Uint8Array): number {
  const carry = CARRIES[dtype];
  if (carry === undefined) return -1;
  const itemBytes = DTYPE_BYTES[dtype];
  const words = wordsOf(bytes);
  for (let begin = 0; begin < words.length; begin += BLOCK_WORDS) {
    const end = Math.min(begin + BLOCK_WORDS, words.length);
    if ((carriesOf(words, begin, end, carry) & carry.overflow) !== 0) {
      return (begin * 4) / itemBytes + firstElement(words.subarray(begin, end), carry, itemBytes);
    }
  }
  return -1;
}

/** How a 32-bit word shows that an exponent in it is all ones. */
interface Carry {
  readonly exponent: number;
  readonly one: number;
  readonly overflow: number;
  /** Words from one exponent to the next: 2 for float64, whose low word has none. */
  readonly stride: 1 | 2;
}

const CARRIES: Partial<Readonly<Record<Dtype, Carry>>> = {
  F64: { exponent: 0x7ff00000, one: 0x00100000, overflow: 0x80000000 | 0, stride: 2 },
  F32: { exponent: 0x7f800000, one: 0x00800000, overflow: 0x80000000 | 0, stride: 1 },
  BF16: { exponent: 0x7f807f80, one: 0x00800080, overflow: 0x80008000 | 0, stride: 1 },
  F16: { exponent: 0x7c007c00, one: 0x04000400, overflow: 0x80008000 | 0, stride: 1 },
};

/** Even, so that a block holds whole float64s. */
const BLOCK_WORDS = 1 << 14;

/** The bytes as 32-bit words; a rest shorter than a word is filled with zeros, which are finite. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}

/** Of a stretch of the words: a view of each would be read at a quarter of the speed. */
function carriesOf(words: Uint32Array, begin: number, end: number, { exponent, one, stride }: Carry): number {
  let carries = 0;
  for (let index = begin + stride - 1; index < end; index += stride) {
    carries |= ((words[index] as number) & exponent) + one;
  }
  return carries;
}

function firstElement(block: Uint32Array, carry: Carry, itemBytes: number): number {
  for (let index = carry.stride - 1; index < block.length; index += carry.stride) {
    const carries = (((block[index] as number) & carry.exponent) + carry.one) & carry.overflow;
    if (carries === 0) continue;
    if (itemBytes === 8) return (index - 1) / 2;
    if (itemBytes === 4) return index;
    return (carries & 0x8000) === 0 ? index * 2 + 1 : index * 2;
  }
  return 0;
}
