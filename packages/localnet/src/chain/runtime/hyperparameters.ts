import type { SubnetRules } from "../subnet-terms.ts";
import { palletOf, type RootAction } from "./root-action.ts";

/** Where each rule is stored: of the subnet unless it says otherwise. */
const ITEMS: Readonly<Record<keyof SubnetRules, readonly [pallet: string, item: string, isGlobal?: true]>> = {
  tempo: ["SubtensorModule", "Tempo"],
  weightsSetRateLimit: ["SubtensorModule", "WeightsSetRateLimit"],
  weightsVersionKey: ["SubtensorModule", "WeightsVersionKey"],
  minAllowedWeights: ["SubtensorModule", "MinAllowedWeights"],
  maxWeightsLimit: ["SubtensorModule", "MaxWeightsLimit"],
  maxAllowedUids: ["SubtensorModule", "MaxAllowedUids"],
  maxAllowedValidators: ["SubtensorModule", "MaxAllowedValidators"],
  activityCutoff: ["SubtensorModule", "ActivityCutoff"],
  servingRateLimit: ["SubtensorModule", "ServingRateLimit"],
  commitRevealWeightsEnabled: ["SubtensorModule", "CommitRevealWeightsEnabled"],
  commitRevealWeightsVersion: ["SubtensorModule", "CommitRevealWeightsVersion", true],
  revealPeriodEpochs: ["SubtensorModule", "RevealPeriodEpochs"],
  stakeThreshold: ["SubtensorModule", "StakeThreshold", true],
  maxSpace: ["Commitments", "MaxSpace", true],
};

/** The same rule by its name in old editions of the runtime. */
const OLD_STAKE_THRESHOLD = "WeightsMinStake";

/** Writes rules of the subnet, as its owner or the chain's root may. */
export function writeHyperparameters(rules: Partial<SubnetRules>): RootAction {
  return (scope) => {
    for (const [rule, [pallet, item, isGlobal]] of Object.entries(ITEMS)) {
      const value = rules[rule as keyof SubnetRules];
      if (value !== undefined) palletOf(scope, pallet).put(item, isGlobal ? [] : [scope.netuid], value);
    }
    const { stakeThreshold } = rules;
    if (stakeThreshold !== undefined) palletOf(scope, "SubtensorModule").put(OLD_STAKE_THRESHOLD, [], stakeThreshold);
  };
}
