import type { ChainClient } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import { MinerError, MinerErrorCode } from "./miner-error.ts";

type Heads = Pick<ChainClient, "head" | "onHead">;

/** Does work whose signal is aborted with `MINER_WINDOW_CLOSED` once a head lies behind the last block. */
export async function untilBlock<T>(
  heads: Heads,
  lastBlock: BlockNumber,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const closing = new AbortController();
  const look = ({ number }: { readonly number: BlockNumber }): void => {
    if (number > lastBlock) closing.abort(windowClosed(number, lastBlock));
  };
  const unsubscribe = heads.onHead(look);
  look(heads.head());
  try {
    const either = AbortSignal.any([signal, closing.signal]);
    either.throwIfAborted();
    return await work(either);
  } finally {
    unsubscribe();
  }
}

function windowClosed(block: BlockNumber, lastBlock: BlockNumber): MinerError {
  return new MinerError(MinerErrorCode.WindowClosed, "The window for this step is over", {
    fields: { block, lastBlock },
  });
}
