import type { BlockNumber, Netuid } from "@assay/core/units";
import { PalletStorage } from "../state/pallet-storage.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StateOverlay } from "../state/state-overlay.ts";

export interface RootScope {
  readonly codec: RuntimeCodec;
  readonly netuid: Netuid;
  /** Block that the action is part of. */
  readonly block: BlockNumber;
  readonly state: StateOverlay;
}

/**
 * What the chain's root does in a block, before the block's extrinsics. When a fork abandons the block, the first block
 * of the new branch does it again.
 */
export type RootAction = (scope: RootScope) => void;

/** A pallet's storage in the block of a root action. */
export function palletOf({ codec, state }: RootScope, pallet: string): PalletStorage {
  return new PalletStorage(codec, state, pallet);
}
