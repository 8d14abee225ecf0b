import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { VectorMemory } from "@assay/core/merging/vectors/vector-memory";

/** Memory for one chunk of every contributor and for their average, used again for the next chunk. */
export class ChunkRoom {
  readonly #memory: VectorMemory;
  readonly #parts: Float32Array<ArrayBuffer>[] = [];
  readonly #average: Float32Array<ArrayBuffer>;

  /** @param contributors how many it has places for */
  constructor(contributors: number) {
    this.#memory = new VectorMemory(Array.from({ length: contributors + 1 }, () => CHUNK_VALUES));
    this.#average = this.#memory.floats(CHUNK_VALUES);
  }

  /** Bytes of the n-th contributor's values. */
  part(place: number, values: number): Uint8Array<ArrayBuffer> {
    const memory = this.#parts[place] ?? this.#memory.floats(CHUNK_VALUES);
    this.#parts[place] = memory;
    return bytesOf(memory.subarray(0, values));
  }

  average(values: number): Float32Array<ArrayBuffer> {
    return this.#average.subarray(0, values);
  }
}

/** Memory for one chunk, used again for the next one. */
export class ChunkMemory {
  readonly #values = new VectorMemory([CHUNK_VALUES]).floats(CHUNK_VALUES);

  /** Bytes of so many values. */
  of(values: number): Uint8Array<ArrayBuffer> {
    return bytesOf(this.#values.subarray(0, values));
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
