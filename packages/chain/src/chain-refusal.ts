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

/**
 * How a runtime numbers what its pool refuses. `by_reason` is one list for all calls (`common/src/transaction_error.rs`);
 * `by_call` is of runtimes before subnets had tokens (specs 143 and 218), where any number or "not expected" of a call
 * of ours says that the stake is too low.
 */
export type PoolNumbering = "by_reason" | "by_call";

type NamedCode = readonly [name: string, code: ChainErrorCode];

/** Names and meanings of `Custom error: N`: those of spec 425, from 25 on of later runtimes. */
const BY_POOL_NUMBER: ReadonlyMap<number, NamedCode> = new Map<number, NamedCode>([
  [1, ["StakeAmountTooLow", StakeTooLow]],
  [3, ["SubnetNotExists", SubnetUnknown]],
  [6, ["RateLimitExceeded", RateLimited]],
  [10, ["HotKeyNotRegisteredInNetwork", NotRegistered]],
  [11, ["InvalidIpAddress", AxonInvalid]],
  [12, ["ServingRateLimitExceeded", RateLimited]],
  [13, ["InvalidPort", AxonInvalid]],
  [15, ["InvalidRevealRound", ChainErrorCode.CommitRefused]],
  [16, ["CommitNotFound", ChainErrorCode.RevealRefused]],
  [17, ["CommitBlockNotInRevealRange", ChainErrorCode.RevealRefused]],
  [18, ["InputLengthsUnequal", WeightsInvalid]],
  // The uid that is not found is the signer's own: the runtime says so for HotKeyNotRegisteredInSubNet.
  [19, ["UidNotFound", NotRegistered]],
  [25, ["CommitRevealEnabled", ChainErrorCode.CommitRevealEnabled]],
  [26, ["CommitRevealDisabled", ChainErrorCode.CommitRevealDisabled]],
  [28, ["InvalidIpType", AxonInvalid]],
  [29, ["IncorrectCommitRevealVersion", ChainErrorCode.CommitRefused]],
  [30, ["CommittingWeightsTooFast", RateLimited]],
  [31, ["TooManyUnrevealedCommits", RateLimited]],
  [255, ["BadRequest", ChainErrorCode.PoolRejected]],
]);

/** Substrate's own reasons by the words of nodes and of simulators, with the names of its `InvalidTransaction`. */
const BY_WORDS: readonly (readonly [words: RegExp, ...NamedCode])[] = [
  [/bad signature|badproof/i, "BadProof", ChainErrorCode.BadSignature],
  // The era began before the blocks that the chain remembers: the signature covers a block that is gone.
  [/ancient ?birth/i, "AncientBirthBlock", ChainErrorCode.BadSignature],
  [/outdated|stale/i, "Stale", ChainErrorCode.NonceConflict],
  [/valid in the future|"future"/i, "Future", ChainErrorCode.NonceConflict],
  [/inability to pay|"payment"/i, "Payment", ChainErrorCode.FeeUnpayable],
  [/exhaust/i, "ExhaustsResources", ChainErrorCode.PoolFull],
];

/** JSON-RPC codes of a Substrate node's pool that say what they mean by themselves. */
const BY_RPC_CODE: ReadonlyMap<number, NamedCode> = new Map<number, NamedCode>([
  [1012, ["TemporarilyBanned", ChainErrorCode.ExtrinsicBanned]],
  [1014, ["TooLowPriority", ChainErrorCode.NonceConflict]],
  [1016, ["ImmediatelyDropped", ChainErrorCode.PoolFull]],
]);

/** The only refusals that end by themselves. */
const RETRYABLE: ReadonlySet<ChainErrorCode> = new Set([
  RateLimited,
  ChainErrorCode.NonceConflict,
  ChainErrorCode.ExtrinsicBanned,
  ChainErrorCode.PoolFull,
]);

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
 * The error for an extrinsic that the transaction pool did not take (JSON-RPC codes 1010 to 1016). `fields.name` is the
 * chain's name of the reason, `Unknown` for one that we have no name for.
 *
 * @param detail The endpoint's `data` as text: `Custom error: 6`, `{"invalid":{"custom":6}}`,
 *   `Transaction is outdated`, `{"invalid":{"stale":null}}`, … Nodes and simulators word them differently.
 */
export function poolRefusal(rpcCode: number, detail: string, numbering: PoolNumbering = "by_reason"): ChainError {
  const [name, code] = poolReason(rpcCode, detail, numbering);
  return new ChainError(code, `The transaction pool refused the extrinsic: ${detail}`, {
    retryable: RETRYABLE.has(code),
    fields: { rpcCode, detail, name },
  });
}

const UNKNOWN: NamedCode = ["Unknown", ChainErrorCode.PoolRejected];

function poolReason(rpcCode: number, detail: string, numbering: PoolNumbering): NamedCode {
  const byCode = BY_RPC_CODE.get(rpcCode);
  if (byCode !== undefined) return byCode;
  const custom = /custom(?: error)?"?\s*:\s*(\d+)/i.exec(detail)?.[1];
  if (numbering === "by_call" && (custom !== undefined || /not expected|"call"/i.test(detail))) {
    return ["NotEnoughStakeToSetWeights", StakeTooLow];
  }
  if (custom !== undefined) return BY_POOL_NUMBER.get(Number(custom)) ?? UNKNOWN;
  const known = BY_WORDS.find(([words]) => words.test(detail));
  return known === undefined ? UNKNOWN : [known[1], known[2]];
}
