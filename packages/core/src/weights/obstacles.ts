import type { ChainSnapshot, Neuron, SubnetHyperparameters } from "../round/snapshot.ts";
import type { Hotkey, Uid } from "../units.ts";
import { isWithinMaxWeight, maxUpscaled, U16_MAX } from "./pallet-weights.ts";
import { changedOwners } from "./slots.ts";

/**
 * Everything that keeps weights from being set, by its one code: in the ledger, the metrics, the commands, the runbook.
 *
 * All but the last two are conditions of the chain, which would refuse the weights; those are ours.
 */
export const WEIGHT_OBSTACLES = {
  subnet_unknown: "The subnet does not exist",
  commit_reveal_unsupported: "The subnet hides weights in a way that this version, or its runtime, does not know",
  not_registered: "The hotkey is not registered on the subnet",
  stake_too_low: "The hotkey's stake is below the chain's threshold",
  version_key: "The version key is below the subnet's",
  rate_limited: "Too soon after our last weights",
  no_permit: "The hotkey has no validator permit",
  uid_reassigned: "A weighed UID has another owner since the weights were planned",
  too_few_weights: "Fewer weights than the subnet takes",
  weight_too_large: "One weight is larger than the subnet allows",
  stopped: "An operator stopped the weights",
  dry_run: "The validator is configured to sign no weights",
} as const;
export type WeightObstacleCode = keyof typeof WEIGHT_OBSTACLES;

/** One thing that stands in the way. */
export interface WeightObstacle {
  readonly code: WeightObstacleCode;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Weights as they would be sent. */
export interface WeighedVector {
  readonly uids: readonly Uid[];
  /** One u16 per uid; only ratios count. */
  readonly weights: readonly number[];
  readonly versionKey: bigint;
  /** Whom each uid belonged to when it was weighed; empty when nobody noted it. */
  readonly hotkeys: readonly Hotkey[];
}

type Rules = Pick<ChainSnapshot, "hyperparameters" | "stakeIsTotal">;
type Subnet = Pick<ChainSnapshot, "block" | "neurons" | "hyperparameters" | "stakeIsTotal">;

/**
 * Why the block after the snapshot's would refuse these weights, in the order of the runtime's own checks; none when it
 * would take them. The subnet's owner needs neither stake nor permit, and a neuron that weighs itself alone no permit
 * and no least number.
 *
 * A stake that was read without what parents lend proves nothing and is let pass.
 *
 * @see subtensor `do_set_weights`, spec 425
 */
export function weightObstacles(vector: WeighedVector, hotkey: Hotkey, subnet: Subnet): readonly WeightObstacle[] {
  const own = subnet.neurons.find((neuron) => neuron.hotkey === hotkey);
  if (own === undefined) return [obstacle("not_registered", { hotkey })];
  return [
    ...standingObstacles(vector, own, subnet),
    ...ownershipObstacles(vector, subnet),
    ...vectorObstacles(vector, own, subnet),
  ];
}

/**
 * Whether the chain refuses a neuron's weights for too little stake. The subnet owner needs none, and a stake that was
 * read without what parents lend proves nothing.
 */
export function isStakeTooLow(neuron: Neuron, { hyperparameters, stakeIsTotal }: Rules): boolean {
  return stakeIsTotal && !isOwner(neuron, hyperparameters) && neuron.stakeRao < hyperparameters.stakeThresholdRao;
}

/** Whether the chain refuses a neuron's weights of others for want of a permit, which the subnet owner does not need. */
export function lacksPermit(neuron: Neuron, { hyperparameters }: Pick<Rules, "hyperparameters">): boolean {
  return !neuron.validatorPermit && !isOwner(neuron, hyperparameters);
}

function standingObstacles(vector: WeighedVector, own: Neuron, subnet: Subnet): readonly WeightObstacle[] {
  const { block, hyperparameters: rules } = subnet;
  const { stakeThresholdRao: threshold, weightsVersionKey, weightsRateLimit } = rules;
  const found: WeightObstacle[] = [];
  if (isStakeTooLow(own, subnet)) {
    found.push(obstacle("stake_too_low", { stake_rao: String(own.stakeRao), threshold_rao: String(threshold) }));
  }
  if (vector.versionKey < weightsVersionKey) {
    found.push(obstacle("version_key", { given: String(vector.versionKey), least: String(weightsVersionKey) }));
  }
  const until = own.lastUpdate + weightsRateLimit;
  if (own.lastUpdate > 0 && block + 1 < until) {
    found.push(obstacle("rate_limited", { last_update: own.lastUpdate, until, blocks: until - block - 1 }));
  }
  if (lacksPermit(own, subnet) && !isSelfWeight(vector, own)) {
    found.push(obstacle("no_permit", { uid: own.uid }));
  }
  return found;
}

function ownershipObstacles(vector: WeighedVector, { neurons }: Subnet): readonly WeightObstacle[] {
  const [changed] = changedOwners(vector, neurons);
  return changed === undefined ? [] : [obstacle("uid_reassigned", { uid: changed.uid })];
}

function vectorObstacles(vector: WeighedVector, own: Neuron, subnet: Subnet): readonly WeightObstacle[] {
  if (isSelfWeight(vector, own)) return [];
  const { uids, weights } = vector;
  const { minAllowedWeights, maxWeightsLimit: limit } = subnet.hyperparameters;
  const found: WeightObstacle[] = [];
  const least = Math.min(minAllowedWeights, subnet.neurons.length);
  if (uids.length < least) found.push(obstacle("too_few_weights", { weights: uids.length, least }));
  if (!isWithinMaxWeight(maxUpscaled(weights), limit)) {
    const largest = Math.max(...weights);
    const share = largest / weights.reduce((total, weight) => total + weight, 0);
    found.push(
      obstacle("weight_too_large", { uid: uids[weights.indexOf(largest)] ?? -1, share, limit: limit / U16_MAX }),
    );
  }
  return found;
}

function isOwner({ hotkey }: Neuron, { ownerHotkey }: SubnetHyperparameters): boolean {
  return ownerHotkey === hotkey;
}

function isSelfWeight({ uids }: WeighedVector, { uid }: Neuron): boolean {
  return uids.length === 1 && uids[0] === uid;
}

function obstacle(code: WeightObstacleCode, fields: WeightObstacle["fields"]): WeightObstacle {
  return { code, fields };
}
