import { compactToU8a, u8aConcat, u8aToHex } from "@assay/chain/polkadot/library";
import type { DispatchFailure } from "../runtime/call.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StorageValue } from "../state/state-history.ts";

const DISPATCH_INFO = { weight: { refTime: 0, proofSize: 0 }, class: "Normal", paysFee: "No" };

/** The events of a block under construction. */
export class EventLog {
  readonly #codec: RuntimeCodec;
  #records: Uint8Array[] = [];

  constructor(codec: RuntimeCodec) {
    this.#codec = codec;
  }

  get length(): number {
    return this.#records.length;
  }

  /** Without an extrinsic, the event is the block's own, from before them all. */
  deposit(pallet: string, event: string, fields: readonly unknown[], extrinsicIndex: number | null): void {
    this.#records.push(this.#codec.encodeEvent(pallet, event, fields, extrinsicIndex));
  }

  succeeded(extrinsicIndex: number): void {
    this.deposit("System", "ExtrinsicSuccess", [DISPATCH_INFO], extrinsicIndex);
  }

  /** Without a failure of its own making the call broke: clients see the dispatch error "Other". */
  failed(failure: DispatchFailure | null, extrinsicIndex: number): void {
    const error =
      failure === null ? { Other: null } : { Module: this.#codec.moduleError(failure.pallet, failure.errorName) };
    this.deposit("System", "ExtrinsicFailed", [error, DISPATCH_INFO], extrinsicIndex);
  }

  /** Forgets all events after the first `length`. */
  truncate(length: number): void {
    this.#records = this.#records.slice(0, length);
  }

  toScale(): StorageValue {
    return u8aToHex(u8aConcat(compactToU8a(this.#records.length), ...this.#records));
  }
}
