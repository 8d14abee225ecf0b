import type { ChainCall, ChainClient, ExtrinsicReceipt } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import { OrderedWrites } from "./ordered-writes.ts";

export interface SendOptions {
  readonly signal: AbortSignal;
  readonly deadlineBlock: BlockNumber;
}

/** Sends an intent's call and notes in the ledger when it is signed and in a block. */
export async function sendCall(
  intent: WeightIntent,
  call: ChainCall,
  { chain, ledger }: { readonly chain: ChainClient; readonly ledger: Ledger },
  options: SendOptions,
): Promise<ExtrinsicReceipt> {
  const states = new OrderedWrites();
  const submission = chain.submit(call, {
    ...options,
    onState: (state, { extrinsicHash }) => {
      if (state !== "signed" && state !== "in_block") return;
      states.add(() => ledger.intents.transition(intent.id, state, { extrinsicHash }));
    },
  });
  const receipt = await submission.finally(() => states.settled());
  states.throwFailure();
  return receipt;
}
