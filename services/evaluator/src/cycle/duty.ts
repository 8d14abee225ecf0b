import type { ChainHead } from "@assay/chain/chain-client";

/**
 * One thing the validator does, derived from where the chain and the ledger stand.
 *
 * A duty is asked again on every block, also after gaps and restarts, and finds out by itself what is due: it reads
 * state, does what is missing, writes state. It never assumes that it was asked on the block before.
 */
export interface Duty {
  readonly name: string;
  run(head: ChainHead, signal: AbortSignal): Promise<void>;
}
