import type { BlockNumber } from "@assay/core/units";
import type { GrownBlock } from "./blocks/block-tree.ts";
import type { Runtime } from "./runtime-terms.ts";

/** What becomes of the extrinsics of abandoned blocks. */
export const ABANDONED_EXTRINSICS = [
  /** They wait again, for the first block after the branch. */
  "return",
  /** The first block of the branch holds them, as when its author had heard of them too. */
  "reinclude",
  /** The node loses them, and says no more of them than that their block was abandoned. */
  "lose",
] as const;
export type AbandonedExtrinsics = (typeof ABANDONED_EXTRINSICS)[number];

/** A branch that becomes the best chain. */
export interface ForkTerms {
  /** Newest blocks to abandon; none of them may be final. */
  readonly depth: number;
  /** Blocks of the branch; as many as are abandoned or fewer make the head's number stand still or fall. */
  readonly length: number;
  readonly extrinsics: AbandonedExtrinsics;
}

/** @throws RangeError if the fork would touch a final block, or would not be one. */
export function checkFork(
  { depth, length }: ForkTerms,
  { head, finalized }: { readonly head: BlockNumber; readonly finalized: BlockNumber },
): void {
  if (!Number.isInteger(depth) || depth < 1) throw new RangeError("depth must be at least 1");
  if (!Number.isInteger(length) || length < 1) throw new RangeError("length must be at least 1");
  if (head - depth < finalized) throw new RangeError(`only ${head - finalized} blocks are not final`);
}

/** The runtime that abandoned blocks enacted, which the branch has to enact again; null when they did not. */
export function abandonedUpgrade(base: GrownBlock, abandoned: readonly GrownBlock[]): Runtime | null {
  const last = abandoned.at(-1)?.runtime ?? base.runtime;
  return last === base.runtime ? null : last;
}
