import { CHUNK_VALUES, MERGE_CHUNK_BYTES } from "@assay/core/merging/exchange/shards";

/** Memory for one chunk of every contributor and for their average, used again for the next chunk. */
export class ChunkRoom {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #average: Float32Array<ArrayBuffer> | null = null;

  /** Bytes of the n-th contributor's values. */
  part(place: number, values: number): Uint8Array<ArrayBuffer> {
    const memory = this.#parts[place] ?? new Uint8Array(MERGE_CHUNK_BYTES);
    this.#parts[place] = memory;
    return memory.subarray(0, values * Float32Array.BYTES_PER_ELEMENT);
  }

  average(values: number): Float32Array<ArrayBuffer> {
    this.#average ??= new Float32Array(CHUNK_VALUES);
    return this.#average.subarray(0, values);
  }
}
