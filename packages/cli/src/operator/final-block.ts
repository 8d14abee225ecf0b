import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { BlockNumber } from "@assay/core/units";
import { usageError } from "../cli-error.ts";

/**
 * The final block of a number that a person may have typed.
 *
 * @throws CliError `CLI_USAGE` when it is not final yet, ChainError `CHAIN_BLOCK_UNKNOWN` when the endpoint never had it.
 */
export async function finalBlock(chain: ChainClient, number: BlockNumber): Promise<ChainHead> {
  if (number > chain.finalizedHead().number) throw usageError(`Block ${number} is not final`);
  const hash = await chain.finalizedBlockHash(number);
  if (hash !== null) return { number, hash };
  throw new ChainError(ChainErrorCode.BlockUnknown, "The endpoint does not know that block", {
    fields: { block: number },
  });
}
