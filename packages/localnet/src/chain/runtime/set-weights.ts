import type { Netuid, Uid } from "@assay/core/units";
import { isWithinMaxWeight, maxUpscaled } from "@assay/core/weights/pallet-weights";
import type { CallContext, CallHandler } from "./call.ts";
import { ROOT_NETUID, stakeWeight } from "./stake.ts";
import { ensure, isWeightsRateOpen, signerUid, touchLastUpdate } from "./subtensor-check.ts";

export interface WeightVector {
  readonly netuid: Netuid;
  readonly uids: readonly Uid[];
  readonly values: readonly number[];
  readonly versionKey: bigint;
}

/** `SubtensorModule.set_weights`, refused while the subnet hides weights behind commitments. */
export const setWeights: CallHandler = (context, args) => {
  const netuid = args.number("netuid");
  ensure(!context.subtensor.flag("CommitRevealWeightsEnabled", netuid), "CommitRevealEnabled");
  storeWeights(context, {
    netuid,
    uids: args.numbers("dests"),
    values: args.numbers("weights"),
    versionKey: args.bigint("version_key"),
  });
};

/** `SubtensorModule.set_mechanism_weights`: the same for a mechanism of the subnet; every subnet here has one, number 0. */
export const setMechanismWeights: CallHandler = (context, args) => {
  const mechanisms = context.subtensor.number("MechanismCountCurrent", args.number("netuid"));
  ensure(args.number("mecid") < mechanisms, "MechanismDoesNotExist");
  setWeights(context, args);
};

/**
 * Checks and stores a weight vector, in the order of the checks of subtensor's runtime (spec 425).
 *
 * While commit-reveal is on, neither the rate limit nor LastUpdate apply: they were the commit's business.
 */
export function storeWeights(context: CallContext, vector: WeightVector): void {
  const { subtensor } = context;
  const { netuid, uids } = vector;
  const uid = checkSigner(context, vector);
  const isHidden = subtensor.flag("CommitRevealWeightsEnabled", netuid);
  if (!isHidden) ensure(isWeightsRateOpen(context, netuid, uid), "SettingWeightsTooFast");
  const scaled = checkVector(context, vector, uid);

  subtensor.put(
    "Weights",
    [netuid, uid],
    uids.map((target, position) => [target, scaled[position]]),
  );
  if (!isHidden) touchLastUpdate(context, netuid, uid);
  context.deposit("SubtensorModule", "WeightsSet", [netuid, uid]);
}

function checkSigner(context: CallContext, { netuid, uids, values, versionKey }: WeightVector): Uid {
  const { subtensor } = context;
  ensure(netuid !== ROOT_NETUID, "CanNotSetRootNetworkWeights");
  ensure(uids.length === values.length, "WeightVecNotEqualSize");
  ensure(subtensor.flag("NetworksAdded", netuid), "SubnetNotExists");
  ensure(uids.length <= subtensor.number("SubnetworkN", netuid), "UidsLengthExceedUidsInSubNet");
  const uid = signerUid(context, netuid);
  const hasStake =
    isOwner(context, netuid) || stakeWeight(subtensor, netuid, context.signer) >= subtensor.bigint("StakeThreshold");
  ensure(hasStake, "NotEnoughStakeToSetWeights");
  const requiredKey = subtensor.bigint("WeightsVersionKey", netuid);
  ensure(requiredKey === 0n || versionKey >= requiredKey, "IncorrectWeightVersionKey");
  return uid;
}

function checkVector(context: CallContext, vector: WeightVector, uid: Uid): readonly number[] {
  const { subtensor } = context;
  const { netuid, uids, values } = vector;
  const size = subtensor.number("SubnetworkN", netuid);
  const isSelfWeight = uids.length === 1 && uids[0] === uid;
  const mayWeigh = isSelfWeight || isOwner(context, netuid) || subtensor.flags("ValidatorPermit", netuid)[uid] === true;
  ensure(mayWeigh, "NeuronNoValidatorPermit");
  ensure(new Set(uids).size === uids.length, "DuplicateUids");
  ensure(
    uids.every((target) => target < size),
    "UidVecContainInvalidOne",
  );
  const isLongEnough = uids.length >= Math.min(size, subtensor.number("MinAllowedWeights", netuid));
  ensure(isSelfWeight || isLongEnough, "WeightVecLengthIsLow");
  const scaled = maxUpscaled(values);
  ensure(isSelfWeight || isWithinMaxWeight(scaled, subtensor.number("MaxWeightsLimit", netuid)), "MaxWeightExceeded");
  return scaled;
}

function isOwner({ subtensor, signer }: CallContext, netuid: Netuid): boolean {
  return subtensor.address("SubnetOwnerHotkey", netuid) === signer;
}
