import { Tensor } from "../onnx/runtime.ts";
import type { Batch } from "../text/batches.ts";

/** Sequences that go through the model together. */
export interface Chunk {
  /** Token ids, `[sequences, sequenceLength]` row-major. */
  readonly tokens: Uint32Array;
  readonly targets: BigInt64Array;
  /** int64[2]: sequences and their length. */
  readonly shape: Tensor;
}

export interface ChunkLimits {
  /** Rows (tokens) of one run; a sequence is never cut. */
  readonly rows: number;
  /** Heads of queries, which decide what attention needs. */
  readonly attentionHeads: number;
  /** Bytes of one run's attention scores, `sequences · heads · length² · 4`. */
  readonly attentionBytes: number;
}

/**
 * The sequences of all batches in as few runs as the limits allow: products of large matrices are faster, and each
 * weight is touched once per run.
 *
 * Batches must have one sequence length. A token's loss does not depend on which sequences it ran with.
 */
export function chunksOf(batches: readonly Batch[], limits: ChunkLimits): readonly Chunk[] {
  const length = batches[0]?.sequenceLength ?? 1;
  const tokens = join(
    Uint32Array,
    batches.map((batch) => batch.tokens),
  );
  const targets = join(
    BigInt64Array,
    batches.map((batch) => batch.targets),
  );
  const byAttention = Math.floor(limits.attentionBytes / (limits.attentionHeads * length * length * 4));
  const sequences = Math.max(1, Math.min(Math.floor(limits.rows / length), byAttention));
  const chunks: Chunk[] = [];
  for (let first = 0; first < tokens.length; first += sequences * length) {
    const part = tokens.subarray(first, first + sequences * length);
    chunks.push({
      tokens: part,
      targets: targets.subarray(first, first + part.length),
      shape: new Tensor("int64", [BigInt(part.length / length), BigInt(length)], [2]),
    });
  }
  return chunks;
}

/** Each batch's sum in float64, from the losses of all tokens in order. */
export function batchSums(batches: readonly Batch[], losses: readonly Float32Array[]): readonly number[] {
  const all = join(Float32Array, losses);
  let offset = 0;
  return batches.map(({ targets }) => {
    const own = all.subarray(offset, offset + targets.length);
    offset += targets.length;
    let sum = 0;
    for (const loss of own) sum += loss;
    return sum;
  });
}

interface NumberArray<T> {
  readonly length: number;
  set(values: T, offset: number): void;
}

function join<T extends NumberArray<T>>(type: new (length: number) => T, parts: readonly T[]): T {
  const joined = new type(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
