import type { MeasuredEvaluation } from "../receipts/receipt.ts";
import { type DigestNode, partsNode, valueNode } from "./digest-tree.ts";

/**
 * The losses of one miner as parts: batch by batch, then what follows for all of them.
 *
 * Neither the band nor what it was measured on is one of them: those may differ between validators.
 */
export function measuredParts({
  batchLosses,
  batchesLeft = 0,
  lossBefore,
  lossAfter,
  tokens,
}: MeasuredEvaluation): readonly DigestNode[] {
  return [
    partsNode(
      "batches",
      batchLosses.map((batch, index) => valueNode(String(index), { ...batch })),
    ),
    valueNode("mean", { tokens, lossBefore, lossAfter, batchesLeft }),
  ];
}
