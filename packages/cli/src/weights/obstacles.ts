import { ChainErrorCode } from "@assay/chain/chain-error";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import { type OwnNeuron, requirePermit } from "../operator/own-neuron.ts";
import type { Problem } from "../operator/problem.ts";
import type { WeightRow } from "./weight-rows.ts";

const U16_MAX = 65_535;

/**
 * Why the chain would refuse these weights in the next block, by the codes that a refusal itself would have.
 *
 * What cannot be decided from the snapshot is left out: the chain counts TAO stake beside the subnet's own, so a stake
 * below the threshold here is no proof.
 */
export function weightObstacles(
  weights: readonly WeightRow[],
  neuron: OwnNeuron,
  { block, neurons, hyperparameters }: Pick<ChainSnapshot, "block" | "neurons" | "hyperparameters">,
): readonly Problem[] {
  const { weightsRateLimit, minAllowedWeights, maxWeightsLimit } = hyperparameters;
  const obstacles: Problem[] = [...requirePermit(neuron)];
  const lastUpdate = neuron.lastUpdate ?? 0;
  const until = lastUpdate + weightsRateLimit;
  if (lastUpdate > 0 && block < until) {
    const fields = { lastUpdate, until, blocks: until - block };
    obstacles.push({ code: ChainErrorCode.RateLimited, message: "Too soon after our last weights", fields });
  }
  const atLeast = Math.min(minAllowedWeights, neurons.length);
  if (weights.length < atLeast) {
    const fields = { weights: weights.length, atLeast };
    obstacles.push({ code: ChainErrorCode.WeightsInvalid, message: "Fewer weights than the subnet takes", fields });
  }
  const tooLarge = weights.find(({ share }) => maxWeightsLimit < U16_MAX && share * U16_MAX > maxWeightsLimit);
  if (tooLarge !== undefined) {
    const fields = { uid: tooLarge.uid, share: tooLarge.share, limit: maxWeightsLimit / U16_MAX };
    obstacles.push({ code: ChainErrorCode.WeightsInvalid, message: "One weight is larger than allowed", fields });
  }
  return obstacles;
}
