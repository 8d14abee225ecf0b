import { chooseBatches } from "@assay/core/sampling/selection";
import type { Dataset } from "./dataset.ts";

/** Some sequences side by side. Position i of `targets` is the token that follows position i of `tokens`. */
export interface Batch {
  readonly sequences: number;
  readonly sequenceLength: number;
  /** Token ids, `[sequences, sequenceLength]` row-major. */
  readonly tokens: Uint32Array;
  readonly targets: BigInt64Array;
}

export interface BatchOptions {
  /** The round's seed in hexadecimal; decides which sequences are measured on. */
  readonly seed: string;
  /** How many sequences are measured on. */
  readonly sequences: number;
  /** How many of them go into one batch: memory and speed, not which. */
  readonly batchSize: number;
}

/**
 * The batches of a round: distinct sequences in the order that the seed gives.
 *
 * A dataset that has fewer is used whole. The last batch may be smaller than the others.
 *
 * @see chooseBatches for the rule that all validators share
 */
export function selectBatches(dataset: Dataset, { batchSize, ...options }: BatchOptions): readonly Batch[] {
  const chosen = chooseSequences(dataset, options);
  const batches: Batch[] = [];
  for (let first = 0; first < chosen.length; first += batchSize) {
    batches.push(batchOf(chosen.slice(first, first + batchSize).map((index) => dataset.sequence(index))));
  }
  return batches;
}

/** Numbers of the sequences that a round is measured on, in the order of its batches. */
export function chooseSequences(
  dataset: Dataset,
  { seed, sequences }: Pick<BatchOptions, "seed" | "sequences">,
): readonly number[] {
  return chooseBatches({ sequences: dataset.report.sequences, count: sequences, seed });
}

function batchOf(sequences: readonly Uint32Array[]): Batch {
  const sequenceLength = (sequences[0]?.length ?? 1) - 1;
  const tokens = new Uint32Array(sequences.length * sequenceLength);
  const targets = new BigInt64Array(tokens.length);
  for (const [index, sequence] of sequences.entries()) {
    tokens.set(sequence.subarray(0, -1), index * sequenceLength);
    targets.set(BigInt64Array.from(sequence.subarray(1), BigInt), index * sequenceLength);
  }
  return { sequences: sequences.length, sequenceLength, tokens, targets };
}
