import type { BlockNumber } from "@assay/core/units";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import { invalidTransaction } from "../rpc/rpc-error.ts";
import { DispatchFailure } from "../runtime/call.ts";
import { dispatchCall } from "../runtime/dispatch.ts";
import type { SubtensorErrorName } from "../runtime/subtensor-check.ts";
import type { Runtime } from "../runtime-terms.ts";
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
  InvalidIpType: 255,
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
  { codec, edition }: Pick<Runtime, "codec" | "edition">,
  state: StateReader,
  block: BlockNumber,
  extrinsic: SignedExtrinsic,
): void {
  const scope = { codec, edition, block, state: new StateOverlay(state), deposit: () => undefined };
  try {
    dispatchCall(scope, extrinsic);
  } catch (error) {
    if (!(error instanceof DispatchFailure)) throw error;
    const reason = refusalOf(error, edition, extrinsic);
    if (reason !== null) throw invalidTransaction(reason);
  }
}

/** The pool's word for a refusal; null for those that it leaves to the block. */
function refusalOf(
  { errorName }: DispatchFailure,
  { stakeRefusals }: RuntimeEdition,
  { call }: SignedExtrinsic,
): string | null {
  if (Object.keys(stakeRefusals).length > 0) {
    return errorName === "NotEnoughStakeToSetWeights" ? (stakeRefusals[call.method] ?? null) : null;
  }
  if (call.method === LIMITED_IN_BLOCK.method && errorName === LIMITED_IN_BLOCK.error) return null;
  const code = POOL_CODES[errorName as SubtensorErrorName];
  return code === undefined ? null : `Custom error: ${code}`;
}
