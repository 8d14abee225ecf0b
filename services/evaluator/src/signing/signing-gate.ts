import type { SubmitOptions } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { SignedFacts, SigningGuard } from "@assay/chain/signing-guard";
import type { BlockNumber } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";

/** Whether our hotkey may sign: not yet, yes, or not any more until an operator has acted and restarted us. */
type GateState = "watching" | "open" | "locked";

interface Waiter {
  readonly deadlineBlock: BlockNumber;
  readonly admitted: PromiseWithResolvers<void>;
}

/**
 * The gate that every signature of our hotkey passes, and the memory of what passed.
 *
 * While it is shut, calls wait to their deadline block and no longer, as they would for a chain that takes none. Once
 * locked it stays so for the life of the process.
 */
export class SigningGate implements SigningGuard {
  readonly #ledger: Pick<Ledger, "signedExtrinsics">;
  readonly #waiters = new Set<Waiter>();
  #state: GateState = "watching";
  #block: BlockNumber = 0;

  constructor({ ledger }: { readonly ledger: Pick<Ledger, "signedExtrinsics"> }) {
    this.#ledger = ledger;
  }

  get state(): GateState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Lets waiting calls pass; a locked gate stays locked. */
  open(): void {
    if (this.#state !== "watching") return;
    this.#state = "open";
    for (const { admitted } of this.#waiters) admitted.resolve();
  }

  lock(): void {
    this.#state = "locked";
  }

  /** Turns away whoever waited for a block that has come. */
  reached(block: BlockNumber): void {
    this.#block = block;
    for (const { deadlineBlock, admitted } of this.#waiters) {
      if (block >= deadlineBlock) admitted.reject(this.#refusal(deadlineBlock));
    }
  }

  async admit({ signal, deadlineBlock }: Pick<SubmitOptions, "signal" | "deadlineBlock">): Promise<void> {
    if (this.isOpen) return;
    signal.throwIfAborted();
    if (this.#block >= deadlineBlock) throw this.#refusal(deadlineBlock);
    const waiter: Waiter = { deadlineBlock, admitted: Promise.withResolvers<void>() };
    const abort = (): void => waiter.admitted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#waiters.add(waiter);
    try {
      await waiter.admitted.promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener("abort", abort);
    }
  }

  async record(extrinsic: SignedFacts): Promise<void> {
    if (!this.isOpen) throw this.#refusal(extrinsic.lastBlock);
    await this.#ledger.signedExtrinsics.record(extrinsic);
  }

  #refusal(deadlineBlock: BlockNumber): ChainError {
    if (this.#state === "locked") return signingLocked({ deadlineBlock });
    return new ChainError(ChainErrorCode.ExtrinsicDeadline, "The gate for signatures did not open in time", {
      fields: { deadlineBlock, gate: this.#state },
    });
  }
}

/** The error of a hotkey that another process uses. */
export function signingLocked(fields: Readonly<Record<string, string | number>>): ChainError {
  return new ChainError(ChainErrorCode.SigningLocked, "Another process signs with this hotkey", { fields });
}
