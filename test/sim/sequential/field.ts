import type { BatchLoss } from "@assay/core/scoring/outcome";
import type { NatsPerToken, Uid } from "@assay/core/units";
import type { Random } from "@assay/evaluation/model/random";

/** A simulated submission: what it is worth, and what would be measured of it on every batch of the round. */
export interface Competitor {
  readonly uid: Uid;
  readonly group: number;
  /** Expected improvement in nats per token; nobody but the simulation knows it. */
  readonly strength: NatsPerToken;
  readonly batchLosses: readonly BatchLoss[];
}

/**
 * How losses spread, in nats per token of a batch of 8 sequences of 64 tokens. Measured once on the localnet's trained
 * model: 2 groups, 8 submissions each of 6 to 28 training steps, 50 batches. A batch of longer sequences spreads less,
 * and more is saved.
 */
export const MEASURED_SPREAD = {
  tokens: 512,
  /** Of the base's loss between batches (0.055 and 0.134 in the two groups). */
  base: { mean: 2.7, deviation: 0.1 },
  /** Mean improvement of the 16 submissions (0.0051 to 0.0223). */
  strength: 0.013,
  /** How much more or less all of a group improve on a batch, as a share of their strength (0.46 and 0.36). */
  sharedDeviation: 0.41,
  /** What is a submission's own on a batch (0.0011 to 0.0026). */
  ownDeviation: 0.0017,
} as const;

/** Who takes part. */
const COPIES_OF_BASE = 0.1;
const HARMFUL = 0.1;
/** Strengths of recipes are log-normal: 6 to 28 training steps are 0.85 apart in the logarithm. */
const RECIPE_DEVIATION = 0.45;
const MINERS_PER_RECIPE = 4;
/** Miners of one recipe differ by this much (measured: 2 to 5 %). */
const WITHIN_RECIPE_DEVIATION = 0.03;

export interface FieldSize {
  readonly miners: number;
  readonly groups: number;
  readonly batches: number;
}

/** A round's submissions, group after group in the order of UIDs. */
export function drawField({ miners, groups, batches }: FieldSize, random: Random): readonly Competitor[] {
  const field: Competitor[] = [];
  for (let group = 0; group < groups; group += 1) {
    const members = Math.floor(miners / groups) + (group < miners % groups ? 1 : 0);
    const text = Array.from({ length: batches }, () => ({
      before: MEASURED_SPREAD.base.mean + MEASURED_SPREAD.base.deviation * laplace(random),
      shared: MEASURED_SPREAD.sharedDeviation * skewed(random),
    }));
    const recipes = Array.from(
      { length: Math.ceil(members / MINERS_PER_RECIPE) },
      () => MEASURED_SPREAD.strength * Math.exp(RECIPE_DEVIATION * normal(random)),
    );
    for (let member = 0; member < members; member += 1) {
      const strength = drawStrength(recipes, random);
      field.push({ uid: field.length, group, strength, batchLosses: drawLosses(strength, text, random) });
    }
  }
  return field;
}

function drawStrength(recipes: readonly number[], random: Random): NatsPerToken {
  const kind = random();
  if (kind < COPIES_OF_BASE) return 0;
  if (kind < COPIES_OF_BASE + HARMFUL) return -MEASURED_SPREAD.strength * random();
  const recipe = recipes[Math.floor(random() * recipes.length)] ?? MEASURED_SPREAD.strength;
  return recipe * (1 + WITHIN_RECIPE_DEVIATION * normal(random));
}

function drawLosses(
  strength: NatsPerToken,
  text: readonly { readonly before: number; readonly shared: number }[],
  random: Random,
): readonly BatchLoss[] {
  const { tokens, ownDeviation } = MEASURED_SPREAD;
  return text.map(({ before, shared }) => {
    // A copy of the base is the base to the last bit.
    const gain = strength === 0 ? 0 : strength * (1 + shared) + ownDeviation * laplace(random);
    return { tokens, before: before * tokens, after: (before - gain) * tokens };
  });
}

/** Mean 0, deviation 1, and more far values than were measured (kurtosis 6; measured: 1.8 to 5.8). */
function laplace(random: Random): number {
  const uniform = random() - 0.5;
  return (-Math.sign(uniform) * Math.log(1 - 2 * Math.abs(uniform))) / Math.SQRT2;
}

/** Mean 0, deviation 1, and more askew than was measured (2; measured: at most 1.2). */
function skewed(random: Random): number {
  return -Math.log(1 - random()) - 1;
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
