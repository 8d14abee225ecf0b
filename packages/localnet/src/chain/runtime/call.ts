import type { BlockNumber, Hotkey } from "@assay/core/units";
import type { Call } from "@polkadot/types/interfaces";
import type { Codec } from "@polkadot/types/types";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import type { PalletStorage } from "../state/pallet-storage.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";

/** What a call may read, write and tell while it runs. */
export interface CallContext {
  readonly codec: RuntimeCodec;
  readonly edition: RuntimeEdition;
  readonly block: BlockNumber;
  readonly signer: Hotkey;
  readonly subtensor: PalletStorage;
  readonly commitments: PalletStorage;
  readonly drand: PalletStorage;
  /** Adds an event of this extrinsic; fields in the order of the metadata. */
  deposit(pallet: string, event: string, fields: readonly unknown[]): void;
}

/** Runs one call; throws a {@link DispatchFailure} to refuse it, which undoes its writes and events. */
export type CallHandler = (context: CallContext, args: CallArguments) => void;

/** A module's refusal of a call. It fails the extrinsic, not the block. */
export class DispatchFailure extends Error {
  readonly pallet: string;
  readonly errorName: string;

  constructor(pallet: string, errorName: string) {
    super(`${pallet}.${errorName}`);
    this.name = "DispatchFailure";
    this.pallet = pallet;
    this.errorName = errorName;
  }
}

/** A call's arguments by their names in the metadata, as plain values. */
export class CallArguments {
  readonly #values: ReadonlyMap<string, Codec>;

  constructor(call: Call) {
    this.#values = new Map(call.argsEntries);
  }

  codec(name: string): Codec {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the call has no argument ${name}`);
    return value;
  }

  number(name: string): number {
    return Number(this.codec(name).toString());
  }

  bigint(name: string): bigint {
    return BigInt(this.codec(name).toString());
  }

  numbers(name: string): number[] {
    const values = this.codec(name).toPrimitive();
    if (!Array.isArray(values)) throw new TypeError(`argument ${name} is not a list`);
    return values.map(Number);
  }
}
