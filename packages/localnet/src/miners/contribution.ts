import type { ExpertGroup } from "@assay/core/units";
import { createRandom, type Random } from "@assay/evaluation/model/random";
import { normals } from "../training/random.ts";
import type { ModelTensors, ModelValues } from "../training/tensors.ts";
import type { MinerKind } from "./miner-config.ts";
import type { GivenModel } from "./model-source.ts";

export interface ContributionOptions {
  readonly kind: MinerKind;
  readonly group: ExpertGroup;
  readonly groups: number;
  readonly strength: number;
  readonly seed: number;
}

/** Trains a group's experts in a process that has loaded what training needs. */
export type Train = (request: {
  readonly given: GivenModel;
  readonly seed: number;
  readonly steps: number;
  readonly uphill: boolean;
  readonly signal: AbortSignal;
}) => Promise<ModelTensors>;

/** Far enough apart that two miners' seeds do not meet in different cycles. */
const SEEDS_PER_CYCLE = 7919;

/** Whether a miner of this kind trains, and so needs the whole model. */
export function trains(kind: MinerKind): boolean {
  return kind === "honest" || kind === "copy" || kind === "worse";
}

export interface ContributionRun {
  readonly cycle: number;
  /** Asked only by kinds that train. */
  readonly openBench: () => Promise<Train>;
  readonly signal: AbortSignal;
}

/** What a miner puts into its file in one cycle. */
export async function contributionOf(
  given: GivenModel,
  options: ContributionOptions,
  { cycle, openBench, signal }: ContributionRun,
): Promise<ModelTensors> {
  const { kind, strength } = options;
  const seed = options.seed + SEEDS_PER_CYCLE * cycle;
  const random = createRandom(seed);
  switch (kind) {
    case "honest":
    case "copy":
    case "worse": {
      const train = await openBench();
      return await train({ given, seed, steps: strength, uphill: kind === "worse", signal });
    }
    case "no_change":
      return given.own;
    case "noise":
      return mapValues(given.own, (values) => normals(random, values.length, deviationOf(values)));
    case "nan":
      return mapValues(given.own, (values) => values.map((value, index) => (index % 97 === 0 ? Number.NaN : value)));
    case "foreign_group":
      return ofNextGroup(given.own, options);
    default:
      return mapValues(given.own, (values) => nudged(values, random));
  }
}

function mapValues(tensors: ModelTensors, map: (values: Float32Array) => Float32Array): ModelTensors {
  return new Map(
    [...tensors].map(([name, { shape, values }]): [string, ModelValues] => [name, { shape, values: map(values) }]),
  );
}

function nudged(values: Float32Array, random: Random): Float32Array {
  return values.map((value) => value * (1 + 1e-3 * (random() - 0.5)));
}

function deviationOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

const EXPERT_INDEX = /(?<=\.mlp\.experts\.)\d+(?=\.)/;

/** The same values under the names of the next group's experts. */
function ofNextGroup(own: ModelTensors, { group, groups }: ContributionOptions): ModelTensors {
  const indices = [...own.keys()].map((name) => Number(EXPERT_INDEX.exec(name)?.[0]));
  const perGroup = new Set(indices).size;
  const shift = (((group + 1) % groups) - group) * perGroup;
  return new Map(
    [...own].map(([name, tensor]) => [name.replace(EXPERT_INDEX, (index) => String(Number(index) + shift)), tensor]),
  );
}
