import type { BlockHash, BlockNumber } from "@assay/core/units";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";

/** A block's body as nodes send it: extrinsics in hexadecimal. */
interface SignedBlock {
  readonly block: { readonly extrinsics: readonly string[] };
}

/** The final block that contains exactly this extrinsic, and its place in the body; null when none of the range does. */
export async function finalBlockWith(
  session: ChainSession,
  extrinsicHex: string,
  range: { readonly after: BlockNumber; readonly upTo: BlockNumber },
): Promise<{ readonly block: BlockNumber; readonly blockHash: BlockHash; readonly index: number } | null> {
  for (let block = range.after + 1; block <= range.upTo; block += 1) {
    const blockHash = await session.request<BlockHash | null>("chain_getBlockHash", [block]);
    const body = blockHash === null ? null : await session.request<SignedBlock | null>("chain_getBlock", [blockHash]);
    if (blockHash === null || body === null) throw blockMissing(block);
    const index = body.block.extrinsics.findIndex((hex) => hex.toLowerCase() === extrinsicHex);
    if (index >= 0) return { block, blockHash, index };
  }
  return null;
}

function blockMissing(block: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.BlockUnknown, "The endpoint lacks a final block", {
    retryable: true,
    fields: { block },
  });
}
