import type { Random } from "@assay/evaluation/model/random";

/** Token ids of `batch · sequence` positions and the token that follows each of them. */
export interface TokenBatch {
  readonly ids: BigInt64Array;
  readonly labels: BigInt64Array;
}

/** Windows at random places of a text; each byte is a token. */
export function randomBatch(
  text: Uint8Array,
  { batch, sequence }: { readonly batch: number; readonly sequence: number },
  random: Random,
): TokenBatch {
  const starts = Array.from({ length: batch }, () => Math.floor(random() * (text.length - sequence)));
  return batchAt(text, starts, sequence);
}

/** Windows at given places of a text. */
export function batchAt(text: Uint8Array, starts: readonly number[], sequence: number): TokenBatch {
  const windows = (shift: number): BigInt64Array =>
    BigInt64Array.from(
      starts.flatMap((start) => [...text.subarray(start + shift, start + shift + sequence)]),
      BigInt,
    );
  return { ids: windows(0), labels: windows(1) };
}

/** Batches of one sequence length below each other. */
export function joinBatches(batches: readonly TokenBatch[]): TokenBatch {
  return {
    ids: BigInt64Array.from(batches.flatMap(({ ids }) => [...ids])),
    labels: BigInt64Array.from(batches.flatMap(({ labels }) => [...labels])),
  };
}
