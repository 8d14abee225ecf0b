import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { VectorMemory } from "@assay/core/merging/vectors/vector-memory";

/** Memory for one chunk of every contributor and for their average, used again for the next chunk. */
export class ChunkRoom {
  /** How many chunks it has place for, besides the average. */
  readonly places: number;
  readonly #memory: VectorMemory;
  readonly #parts: Float32Array<ArrayBuffer>[] = [];
  readonly #average: Float32Array<ArrayBuffer>;

  constructor(places: number) {
    this.places = places;
    this.#memory = new VectorMemory(Array.from({ length: places + 1 }, () => CHUNK_VALUES));
    this.#average = this.#memory.floats(CHUNK_VALUES);
  }

  /** Bytes of so many values in a place, counted from 0. */
  part(place: number, values: number): Uint8Array<ArrayBuffer> {
    const memory = this.#parts[place] ?? this.#memory.floats(CHUNK_VALUES);
    this.#parts[place] = memory;
    const { buffer, byteOffset, byteLength } = memory.subarray(0, values);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  average(values: number): Float32Array<ArrayBuffer> {
    return this.#average.subarray(0, values);
  }
}

/** One is in use while the next chunk is fetched into the other. */
export type ChunkRooms = readonly [ChunkRoom, ChunkRoom];
