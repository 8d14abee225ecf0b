import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { VectorMemory } from "@assay/core/merging/vectors/vector-memory";
import { bytesOf } from "./chunk-bytes.ts";

/** Memory for one chunk of every contributor and for their average, used again for the next chunk. */
export class ChunkRoom {
  readonly #parts: readonly Float32Array<ArrayBuffer>[];
  readonly #average: Float32Array<ArrayBuffer>;

  /** @param places for so many contributors */
  constructor(places: number) {
    const parts = Array.from({ length: places }, () => CHUNK_VALUES);
    const memory = new VectorMemory([...parts, CHUNK_VALUES]);
    this.#parts = parts.map((values) => memory.floats(values));
    this.#average = memory.floats(CHUNK_VALUES);
  }

  /** Bytes of so many values in a place, counted from 0. @throws RangeError for one that is not there (a caller's bug). */
  part(place: number, values: number): Uint8Array<ArrayBuffer> {
    const part = this.#parts[place];
    if (part === undefined) throw new RangeError(`There is no place ${place}`);
    return bytesOf(part.subarray(0, values));
  }

  average(values: number): Float32Array<ArrayBuffer> {
    return this.#average.subarray(0, values);
  }
}

/** One is in use while the next chunk is fetched into the other. */
export type ChunkRooms = readonly [ChunkRoom, ChunkRoom];
