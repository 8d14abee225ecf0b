import type { BlockHash, BlockNumber } from "@assay/core/units";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";

/** A block's body as nodes send it: extrinsics in hexadecimal. */
interface SignedBlock {
  readonly block: { readonly extrinsics: readonly string[] };
}

/** The final block that contains exactly one of these extrinsics, and its place in the body; null when none of the range does. */
export async function finalBlockWith(
  session: ChainSession,
  extrinsics: readonly string[],
  range: { readonly after: BlockNumber; readonly upTo: BlockNumber },
): Promise<{
  readonly block: BlockNumber;
  readonly blockHash: BlockHash;
  readonly index: number;
  readonly hex: string;
} | null> {
  for (let block = range.after + 1; block <= range.upTo; block += 1) {
    const blockHash = await session.request<BlockHash | null>("chain_getBlockHash", [block]);
    const body = blockHash === null ? null : await session.request<SignedBlock | null>("chain_getBlock", [blockHash]);
    if (blockHash === null || body === null) throw blockMissing(block);
    const index = body.block.extrinsics.findIndex((hex) => extrinsics.includes(hex.toLowerCase()));
    const hex = body.block.extrinsics[index]?.toLowerCase();
    if (hex !== undefined) return { block, blockHash, index, hex };
  }
  return null;
}

function blockMissing(block: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.BlockUnknown, "The endpoint lacks a final block", {
    retryable: true,
    fields: { block },
  });
}
