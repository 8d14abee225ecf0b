import type { ChainCall, ChainClient, ExtrinsicReceipt } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { readWeightStop } from "@assay/checkpoint/weight-stop";
import type { BlockNumber } from "@assay/core/units";
import { LEAST_WINDOW_BLOCKS } from "@assay/core/weights/window";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import { OrderedWrites } from "./ordered-writes.ts";
import type { WeightComponents } from "./weight-components.ts";
import type { WeightView } from "./weight-view.ts";

export interface SendOptions {
  readonly signal: AbortSignal;
  readonly deadlineBlock: BlockNumber;
  /** Hears of each signature's extrinsic. */
  readonly onSigned?: (extrinsicHash: string) => void;
}

/** Sends an intent's call and notes in the ledger when it is signed and in a block. A stop ends the waiting for it. */
export async function sendCall(
  intent: WeightIntent,
  call: ChainCall,
  { chain, ledger, layout }: Pick<WeightComponents, "chain" | "ledger" | "layout">,
  { onSigned, ...options }: SendOptions,
): Promise<ExtrinsicReceipt> {
  const states = new OrderedWrites();
  const stop = watchStop(chain, layout);
  const submission = chain.submit(call, {
    ...options,
    signal: AbortSignal.any([options.signal, stop.signal]),
    onState: (state, { extrinsicHash, nonce, specVersion, block }) => {
      if (state !== "signed" && state !== "in_block") return;
      if (state === "signed") onSigned?.(extrinsicHash);
      const facts = { extrinsicHash, nonce, specVersion, ...(block !== undefined && { block }) };
      states.add(() => ledger.intents.transition(intent.id, state, facts));
    },
  });
  const receipt = await submission.finally(async () => {
    stop.end();
    await states.settled();
  });
  states.throwFailure();
  return receipt;
}

/**
 * Last block for a set or commit of weights: within its tempo, and no later than the rate limit lasts from the newest
 * final block on. So the chain itself refuses it when another one lands that we could not see when we signed.
 */
export function sendDeadline(intent: WeightIntent, chain: ChainClient, { rules, snapshot }: WeightView): BlockNumber {
  const guarded = chain.finalizedHead().number + snapshot.hyperparameters.weightsRateLimit;
  const least = rules.block + LEAST_WINDOW_BLOCKS;
  return Math.min(intent.deadlineBlock, rules.epoch.nextBlock - 1, Math.max(guarded, least));
}

/** Whether an error of sending says for certain that no block has the call: the chain refused it, or its blocks are over. */
export function hasNotLanded(error: unknown): error is ChainError {
  return error instanceof ChainError && !IN_DOUBT.includes(error.code);
}

/** Errors after which a block may still have the call. */
const IN_DOUBT: readonly string[] = [
  ChainErrorCode.FinalityStalled,
  ChainErrorCode.SubmissionAborted,
  ChainErrorCode.Disconnected,
  ChainErrorCode.RequestDeadline,
  ChainErrorCode.RequestFailed,
  ChainErrorCode.NotStarted,
  ChainErrorCode.NonceConflict,
];

/** Aborts at the first block that finds a stop: what is signed anew after it would be signed against it. */
function watchStop(chain: ChainClient, layout: WeightComponents["layout"]) {
  const found = new AbortController();
  const look = async () => {
    const stop = await readWeightStop(layout);
    if (stop !== null) found.abort(new Error(`The weights were stopped: ${stop.reason}`));
  };
  const end = chain.onHead(() => {
    look().catch((error: unknown) => found.abort(error));
  });
  return { signal: found.signal, end };
}
