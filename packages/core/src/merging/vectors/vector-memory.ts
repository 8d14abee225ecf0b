import { VectorLoops } from "./vector-loops.ts";

const FLOAT32_BYTES = 4;
/** Arrays begin where a vector can be loaded at once. */
const ALIGNMENT = 16;

/** By the memory that they work on. */
const loops = new WeakMap<ArrayBufferLike, VectorLoops>();

/**
 * Memory for float32 arrays that {@link outerStep}, {@link averageChunk} and sums of squares go over in vectors when all
 * their arrays lie in one.
 *
 * It cannot be freed by hand. Where the machine has none of this kind left, it is plain memory, and only slower.
 */
export class VectorMemory {
  readonly #buffer: ArrayBuffer;
  #used: number;

  /** @param lengths of the arrays that it must hold, in values */
  constructor(lengths: readonly number[]) {
    const bytes = lengths.reduce((sum, length) => sum + bytesOf(length), 0);
    const vectors = vectorLoops(bytes);
    this.#buffer = vectors?.buffer ?? new ArrayBuffer(bytes);
    this.#used = vectors === null ? 0 : VectorLoops.BEGIN;
  }

  /** The next array. @throws RangeError when it is not held (a caller's bug). */
  floats(length: number): Float32Array<ArrayBuffer> {
    const floats = new Float32Array(this.#buffer, this.#used, length);
    this.#used += bytesOf(length);
    return floats;
  }
}

/** The loops for arrays that all lie in one {@link VectorMemory}; null for all others. */
export function vectorLoopsOf(arrays: readonly Float32Array[]): VectorLoops | null {
  const buffer = arrays[0]?.buffer;
  return buffer !== undefined && arrays.every((each) => each.buffer === buffer) ? (loops.get(buffer) ?? null) : null;
}

function vectorLoops(bytes: number): VectorLoops | null {
  try {
    const vectors = new VectorLoops(bytes);
    loops.set(vectors.buffer, vectors);
    return vectors;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function bytesOf(length: number): number {
  return Math.ceil((length * FLOAT32_BYTES) / ALIGNMENT) * ALIGNMENT;
}
