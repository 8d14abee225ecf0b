import type { BlockNumber } from "@assay/core/units";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import type { SignedExtrinsic } from "../pool/signed-extrinsic.ts";
import { PalletStorage } from "../state/pallet-storage.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StateOverlay } from "../state/state-overlay.ts";
import { CallArguments, type CallContext, DispatchFailure } from "./call.ts";
import { CALLS } from "./calls.ts";

export interface DispatchScope {
  readonly codec: RuntimeCodec;
  readonly edition: RuntimeEdition;
  /** Block that the call is part of. */
  readonly block: BlockNumber;
  /** Takes the call's writes, also those before a refusal. */
  readonly state: StateOverlay;
  readonly deposit: CallContext["deposit"];
}

/** Runs an extrinsic's call; throws a {@link DispatchFailure} when it is refused. */
export function dispatchCall(scope: DispatchScope, { call, signer }: SignedExtrinsic): void {
  const run = CALLS.get(`${call.section}.${call.method}`);
  if (run === undefined) throw new DispatchFailure("System", "CallFiltered");
  const { codec, state, ...context } = scope;
  run({ ...context, codec, signer, ...storageOf(codec, state) }, new CallArguments(call));
}

/** The pallets that calls read and write. */
export function storageOf(
  codec: RuntimeCodec,
  state: StateOverlay,
): Pick<CallContext, "subtensor" | "commitments" | "drand"> {
  const pallet = (name: string) => new PalletStorage(codec, state, name);
  return { subtensor: pallet("SubtensorModule"), commitments: pallet("Commitments"), drand: pallet("Drand") };
}
