/** How a network measures in stages; consensus constants of its file. */
export interface SequentialRules {
  /** Sequences per batch. One batch gives one difference of two submissions, so the size decides what is compared. */
  readonly batchSequences: number;
  /** Batches of a stage, at least 3: after each stage it is decided who goes on. */
  readonly stageBatches: number;
  /** The first so many of each group are to be told apart; whoever is clearly not among them stops. */
  readonly keep: number;
  /** Bound on the probability of a wrong stop, per group and round; see `decideStage`. */
  readonly errorLevel: number;
}

/** Some of a round's batches, in the seed's order. */
export interface Stage {
  readonly firstBatch: number;
  readonly batches: number;
}

/**
 * The stages of a round: equal runs of batches, of which the last may be shorter.
 *
 * @param sequences held-out sequences of a round
 */
export function stagesOf(
  { batchSequences, stageBatches }: Pick<SequentialRules, "batchSequences" | "stageBatches">,
  sequences: number,
): readonly Stage[] {
  const batches = Math.ceil(sequences / batchSequences);
  return Array.from({ length: Math.ceil(batches / stageBatches) }, (_, stage) => ({
    firstBatch: stage * stageBatches,
    batches: Math.min(stageBatches, batches - stage * stageBatches),
  }));
}
