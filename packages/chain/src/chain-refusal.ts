import { ChainError, ChainErrorCode } from "./chain-error.ts";

const { RateLimited, NotRegistered, NoPermit, StakeTooLow, VersionKey, SubnetUnknown, WeightsInvalid, AxonInvalid } =
  ChainErrorCode;

/**
 * What each module error means to us, by name: indexes move with every runtime, and so do some names, so synonyms of
 * older runtimes (specs 143 and 218) stand beside today's.
 */
const CODE_BY_NAME: ReadonlyMap<string, ChainErrorCode> = new Map<string, ChainErrorCode>([
  ["SettingWeightsTooFast", RateLimited],
  ["CommittingWeightsTooFast", RateLimited],
  ["ServingRateLimitExceeded", RateLimited],
  ["RateLimitExceeded", RateLimited],
  ["CommitmentSetRateLimitExceeded", RateLimited],
  ["SpaceLimitExceeded", RateLimited],
  ["TooManyUnrevealedCommits", RateLimited],

  ["HotKeyNotRegisteredInSubNet", NotRegistered],
  ["HotKeyNotRegisteredInNetwork", NotRegistered],
  ["NotRegistered", NotRegistered],
  ["AccountNotAllowedCommit", NotRegistered],
  ["CannotCommit", NotRegistered],

  ["NeuronNoValidatorPermit", NoPermit],
  ["NoValidatorPermit", NoPermit],

  ["NotEnoughStakeToSetWeights", StakeTooLow],

  ["IncorrectWeightVersionKey", VersionKey],
  ["IncorrectNetworkVersionKey", VersionKey],

  ["CommitRevealEnabled", ChainErrorCode.CommitRevealEnabled],
  ["CommitRevealDisabled", ChainErrorCode.CommitRevealDisabled],

  ["IncorrectCommitRevealVersion", ChainErrorCode.CommitRefused],
  ["InvalidRevealRound", ChainErrorCode.CommitRefused],
  ["NoWeightsCommitFound", ChainErrorCode.RevealRefused],
  ["InvalidRevealCommitHashNotMatch", ChainErrorCode.RevealRefused],
  ["ExpiredWeightCommit", ChainErrorCode.RevealRefused],
  ["RevealTooEarly", ChainErrorCode.RevealRefused],

  ["SubnetNotExists", SubnetUnknown],
  ["SubNetworkDoesNotExist", SubnetUnknown],
  ["NetworkDoesNotExist", SubnetUnknown],
  ["MechanismDoesNotExist", SubnetUnknown],

  ["WeightVecNotEqualSize", WeightsInvalid],
  ["DuplicateUids", WeightsInvalid],
  ["UidVecContainInvalidOne", WeightsInvalid],
  ["InvalidUid", WeightsInvalid],
  ["WeightVecLengthIsLow", WeightsInvalid],
  ["NotSettingEnoughWeights", WeightsInvalid],
  ["UidsLengthExceedUidsInSubNet", WeightsInvalid],
  ["TooManyUids", WeightsInvalid],
  ["MaxWeightExceeded", WeightsInvalid],
  ["CanNotSetRootNetworkWeights", WeightsInvalid],

  ["TooManyFieldsInCommitmentInfo", ChainErrorCode.CommitmentTooLarge],

  ["InvalidIpType", AxonInvalid],
  ["InvalidIpAddress", AxonInvalid],
  ["InvalidPort", AxonInvalid],
]);

/** Subtensor's `Custom error: N` of the transaction pool, as numbered in `common/src/transaction_error.rs` of spec 425. */
const CODE_BY_POOL_NUMBER: ReadonlyMap<number, ChainErrorCode> = new Map<number, ChainErrorCode>([
  [1, StakeTooLow],
  [3, SubnetUnknown],
  [6, RateLimited],
  [10, NotRegistered],
  [11, AxonInvalid],
  [12, RateLimited],
  [13, AxonInvalid],
  [15, ChainErrorCode.CommitRefused],
  [16, ChainErrorCode.RevealRefused],
  [17, ChainErrorCode.RevealRefused],
  [18, WeightsInvalid],
  [19, WeightsInvalid],
]);

/** The only refusals that end by themselves. */
const RETRYABLE: ReadonlySet<ChainErrorCode> = new Set([RateLimited, ChainErrorCode.NonceConflict]);

/**
 * The error for an extrinsic that a block contains and the runtime refused.
 *
 * @param pallet Name of the pallet as in the metadata, for example `SubtensorModule`; empty for errors of no module.
 * @param name The error's own name, for example `SettingWeightsTooFast`.
 */
export function dispatchRefusal(
  pallet: string,
  name: string,
  fields: Readonly<Record<string, string | number>> = {},
): ChainError {
  const code = CODE_BY_NAME.get(name) ?? ChainErrorCode.DispatchFailed;
  return new ChainError(code, `The chain refused the call: ${pallet === "" ? name : `${pallet}.${name}`}`, {
    retryable: RETRYABLE.has(code),
    fields: { ...fields, pallet, name },
  });
}

/**
 * The error for an extrinsic that the transaction pool did not take (JSON-RPC codes 1010 to 1016).
 *
 * @param detail The endpoint's `data` as text: `Custom error: 6`, `{"invalid":{"custom":6}}`,
 *   `Transaction is outdated`, `{"invalid":{"stale":null}}`, … Nodes and simulators word them differently.
 */
export function poolRefusal(rpcCode: number, detail: string): ChainError {
  const code = poolCode(rpcCode, detail);
  return new ChainError(code, `The transaction pool refused the extrinsic: ${detail}`, {
    retryable: RETRYABLE.has(code),
    fields: { rpcCode, detail },
  });
}

/** JSON-RPC codes that a Substrate node gives for an extrinsic it does not take. */
const RPC_PRIORITY_TOO_LOW = 1014;

function poolCode(rpcCode: number, detail: string): ChainErrorCode {
  const custom = /custom(?: error)?"?\s*:\s*(\d+)/i.exec(detail)?.[1];
  if (custom !== undefined) return CODE_BY_POOL_NUMBER.get(Number(custom)) ?? ChainErrorCode.PoolRejected;
  if (/bad signature|badproof/i.test(detail)) return ChainErrorCode.BadSignature;
  if (rpcCode === RPC_PRIORITY_TOO_LOW || /outdated|stale|priority is too low/i.test(detail)) {
    return ChainErrorCode.NonceConflict;
  }
  return ChainErrorCode.PoolRejected;
}
