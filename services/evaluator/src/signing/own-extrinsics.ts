import type { ChainClient } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { BlockNumber } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";

/** An extrinsic that our hotkey signed here, and the final block that holds it. */
export interface LandedExtrinsic {
  readonly hash: string;
  readonly block: BlockNumber;
}

/** Our own extrinsics in final blocks, by what the ledger says that we signed. */
export async function ownExtrinsicsIn(
  { chain, ledger }: { readonly chain: ChainClient; readonly ledger: Pick<Ledger, "signedExtrinsics"> },
  { after, upTo }: { readonly after: BlockNumber; readonly upTo: BlockNumber },
): Promise<readonly LandedExtrinsic[]> {
  const ours: LandedExtrinsic[] = [];
  for (let block = after + 1; block <= upTo; block += 1) {
    const at = await chain.finalizedBlockHash(block);
    if (at === null) throw finalBlockMissing(block);
    const known = await ledger.signedExtrinsics.known(await chain.extrinsicHashes(at));
    ours.push(...Array.from(known, (hash) => ({ hash, block })));
  }
  return ours;
}

/** Another endpoint lags behind the one that told of the block; the next look finds it. */
function finalBlockMissing(block: BlockNumber): ChainError {
  return new ChainError(ChainErrorCode.BlockUnknown, "The endpoint lacks a final block", {
    retryable: true,
    fields: { block },
  });
}
