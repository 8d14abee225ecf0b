import { createHash, type Hash } from "node:crypto";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { SquareSum } from "@assay/core/merging/exchange/square-sum";
import type { ChunkTable } from "@assay/core/merging/exchange/statement";

/** Chunks of float32 values with their digests and sums of squares, in order. */
export interface ValueChunks extends ChunkTable {
  readonly values: number;
  /** The chunks' sums of squares added up in order. */
  readonly squares: number;
}

/** Digests and sums of squares of a stream of float32 values, chunk by chunk. */
export class ChunkSummary {
  readonly #chunks: { readonly sha256: string; readonly squares: number }[] = [];
  #hash: Hash = createHash("sha256");
  #squares = new SquareSum();
  #inChunk = 0;
  #values = 0;

  /** The next values, in any pieces. */
  add(values: Float32Array): void {
    for (let begin = 0; begin < values.length; ) {
      const piece = values.subarray(begin, begin + CHUNK_VALUES - this.#inChunk);
      this.#hash.update(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      this.#squares.add(piece);
      this.#inChunk += piece.length;
      begin += piece.length;
      if (this.#inChunk === CHUNK_VALUES) this.#close();
    }
    this.#values += values.length;
  }

  finish(): ValueChunks {
    if (this.#inChunk > 0) this.#close();
    const squares = this.#chunks.reduce((sum, chunk) => sum + chunk.squares, 0);
    return { values: this.#values, squares, chunks: this.#chunks };
  }

  #close(): void {
    this.#chunks.push({ sha256: this.#hash.digest("hex"), squares: this.#squares.total });
    this.#hash = createHash("sha256");
    this.#squares = new SquareSum();
    this.#inChunk = 0;
  }
}
