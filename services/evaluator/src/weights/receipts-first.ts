import type { BlockNumber } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import { RECEIPTS_COMMITTED_STEP } from "../receipts/receipt-commitment-duty.ts";

/** Blocks that weights wait for the root at most: making the bundle, landing, and finality, twice over. */
const WAIT_BLOCKS = 12;
/** In a window with no more than these left nothing waits. */
const SAFE_BLOCKS = 30;

/**
 * Lets the root of the newest round's receipts be final on chain before the weights that follow from it are planned, so
 * that nobody can say that the receipts were made up for the weights.
 *
 * Only for a while, and only in a window that is long enough: a missed window would cost more than the order proves.
 */
export class ReceiptsFirst {
  readonly #ledger: Pick<Ledger, "receipts" | "rounds" | "steps">;
  #waiting: { readonly tempo: number; readonly since: BlockNumber } | null = null;

  constructor({ ledger }: { readonly ledger: Pick<Ledger, "receipts" | "rounds" | "steps"> }) {
    this.#ledger = ledger;
  }

  /** Whether a tempo's weights still wait at this block, with so many blocks left of its window. */
  async isAwaited(tempo: number, block: BlockNumber, blocksLeft: number): Promise<boolean> {
    if (blocksLeft <= SAFE_BLOCKS || (await this.#isCommitted())) return false;
    if (this.#waiting?.tempo !== tempo) this.#waiting = { tempo, since: block };
    return block < this.#waiting.since + WAIT_BLOCKS;
  }

  async #isCommitted(): Promise<boolean> {
    const { receipts, rounds, steps } = this.#ledger;
    const closed = await rounds.latestClosed();
    if (closed === null) return true;
    const { cycle, id } = closed.round;
    if ((await receipts.due()).includes(id)) return false;
    const newest = await receipts.newest();
    return newest?.cycle !== cycle || (await steps.done(cycle, RECEIPTS_COMMITTED_STEP));
  }
}
