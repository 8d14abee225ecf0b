import type { BlockNumber } from "@assay/core/units";
import { invalidTransaction } from "../rpc/rpc-error.ts";
import { DispatchFailure } from "../runtime/call.ts";
import { dispatchCall } from "../runtime/dispatch.ts";
import type { SubtensorErrorName } from "../runtime/subtensor-check.ts";
import type { RuntimeCodec } from "../state/runtime-codec.ts";
import type { StateReader } from "../state/state-history.ts";
import { StateOverlay } from "../state/state-overlay.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";

/** Refusals that subtensor's pool makes before any block, by their numbers in spec 425. */
const POOL_CODES: Readonly<Partial<Record<SubtensorErrorName, number>>> = {
  NotEnoughStakeToSetWeights: 1,
  SubnetNotExists: 3,
  SettingWeightsTooFast: 6,
  CommittingWeightsTooFast: 6,
  HotKeyNotRegisteredInNetwork: 10,
  InvalidIpType: 11,
  InvalidIpAddress: 11,
  ServingRateLimitExceeded: 12,
  InvalidPort: 13,
  InvalidRevealRound: 15,
  NoWeightsCommitFound: 16,
  InvalidRevealCommitHashNotMatch: 16,
  RevealTooEarly: 17,
  ExpiredWeightCommit: 17,
  WeightVecNotEqualSize: 18,
  HotKeyNotRegisteredInSubNet: 19,
};

/** The pool leaves the rate limit of these to the block. */
const LIMITED_IN_BLOCK = { method: "commitTimelockedWeights", error: "CommittingWeightsTooFast" } as const;

/** Refuses an extrinsic that the next block would refuse, where the real chain's pool does so too. */
export function checkCallInPool(
  codec: RuntimeCodec,
  state: StateReader,
  block: BlockNumber,
  extrinsic: SignedExtrinsic,
): void {
  const scope = { codec, block, state: new StateOverlay(state), deposit: () => undefined };
  try {
    dispatchCall(scope, extrinsic);
  } catch (error) {
    if (!(error instanceof DispatchFailure)) throw error;
    const { method, error: limit } = LIMITED_IN_BLOCK;
    if (extrinsic.call.method === method && error.errorName === limit) return;
    const code = POOL_CODES[error.errorName as SubtensorErrorName];
    if (code !== undefined) throw invalidTransaction(`Custom error: ${code}`);
  }
}
