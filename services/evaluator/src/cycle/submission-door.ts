import type { ChainHead } from "@assay/chain/chain-client";
import { phaseAt } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { Ledger } from "@assay/ledger/ledger";
import type { Duty } from "./duty.ts";

/** Share of a Submission phase for which the door must have been open before silence counts against a miner. */
const NEEDED_SHARE = 0.5;

/**
 * Remembers on which blocks of a Submission phase miners could have submitted.
 *
 * While this process is down the model server's view of the chain goes stale and it turns miners away; their silence
 * is then our fault and must not become a zero.
 */
export class SubmissionDoor implements Duty {
  readonly name = "submission-door";
  readonly #ledger: Ledger;
  readonly #network: Network;

  constructor(ledger: Ledger, network: Network) {
    this.#ledger = ledger;
    this.#network = network;
  }

  async run(head: ChainHead): Promise<void> {
    const at = phaseAt(head.number, this.#network.schedule);
    if (at.phase === "submission") await this.#ledger.steps.mark(at.cycle, doorStep(at.block), { block: at.block });
  }

  /** Whether submissions were possible on enough blocks of the round's window. */
  async wasOpen(round: Round): Promise<boolean> {
    let open = 0;
    for (let block = round.submissionFirst; block <= round.submissionLast; block++) {
      if (await this.#ledger.steps.done(round.cycle, doorStep(block))) open += 1;
    }
    return open >= (round.submissionLast - round.submissionFirst + 1) * NEEDED_SHARE;
  }
}

function doorStep(block: number): string {
  return `door-open-${block}`;
}
