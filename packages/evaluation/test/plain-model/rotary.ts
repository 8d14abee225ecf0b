import { concatenate, type Vector } from "./linear-algebra.ts";

/** Settings of rotary positions; fields beside the theta as `config.json` spells them under `rope_scaling`. */
export interface Rope {
  readonly theta: number;
  /** Elements of a query or key that are rotated, two by two. */
  readonly dimensions: number;
  /** `max_position_embeddings`. */
  readonly maxPositions: number;
  readonly scaling: RopeScaling;
}

export interface RopeScaling {
  readonly rope_type?: string;
  /** The older spelling of `rope_type`. */
  readonly type?: string;
  readonly factor?: number;
  readonly original_max_position_embeddings?: number;
  readonly beta_fast?: number;
  readonly beta_slow?: number;
  readonly attention_factor?: number;
  readonly mscale?: number;
  readonly mscale_all_dim?: number;
  readonly truncate?: boolean;
  readonly low_freq_factor?: number;
  readonly high_freq_factor?: number;
}

/** Radians per position for each pair of elements, and the factor that both sine and cosine are multiplied by. */
export interface Rotation {
  readonly frequencies: Vector;
  readonly magnitude: number;
}

/**
 * How a sequence of that many tokens is rotated.
 *
 * @see Transformers `modeling_rope_utils.py`, `ROPE_INIT_FUNCTIONS` and `dynamic_rope_update`
 */
export function rotationOf(rope: Rope, sequenceLength: number): Rotation {
  const { scaling } = rope;
  const type = scaling.rope_type ?? scaling.type ?? "default";
  const frequencies = plainFrequencies(rope);
  const factor = scaling.factor ?? 1;
  if (type === "default") return { frequencies, magnitude: 1 };
  if (type === "linear") return { frequencies: frequencies.map((each) => each / factor), magnitude: 1 };
  if (type === "dynamic") return { frequencies: dynamicFrequencies(rope, sequenceLength), magnitude: 1 };
  if (type === "llama3") return { frequencies: llama3Frequencies(rope), magnitude: 1 };
  if (type === "yarn") return { frequencies: yarnFrequencies(rope), magnitude: yarnMagnitude(scaling) };
  throw new RangeError(`Rotary positions of type ${type}`);
}

/** Element i turns with element `i + d/2`: Qwen, Mixtral and OLMoE. */
export function rotateHalves(vector: Vector, position: number, { frequencies, magnitude }: Rotation): Vector {
  const half = vector.length / 2;
  const turned = turnedPairs([...vector.slice(0, half)], [...vector.slice(half)], position, frequencies);
  return concatenate(turned).map((value) => value * magnitude);
}

/**
 * Element `2i` turns with element `2i + 1`: DeepSeek-V2.
 *
 * The published code then leaves all first elements before all second ones, for queries and keys alike, so that their
 * products are the same.
 */
export function rotatePairs(vector: Vector, position: number, { frequencies, magnitude }: Rotation): Vector {
  const even = [...vector].filter((_, index) => index % 2 === 0);
  const odd = [...vector].filter((_, index) => index % 2 === 1);
  const [first, second] = turnedPairs(even, odd, position, frequencies);
  return Float64Array.from([...first].flatMap((value, pair) => [value, second[pair] ?? Number.NaN])).map(
    (value) => value * magnitude,
  );
}

/** `0.1·m·ln(s) + 1`: by how much attention grows with the scaling factor s. */
export function yarnGrowth(factor: number, weight: number): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
}

/** The complex number `first + i·second` of each pair, turned by `position · frequency`. */
function turnedPairs(
  first: readonly number[],
  second: readonly number[],
  position: number,
  frequencies: Vector,
): readonly [Vector, Vector] {
  const angle = (pair: number) => position * (frequencies[pair] ?? Number.NaN);
  const other = (vector: readonly number[], pair: number) => vector[pair] ?? Number.NaN;
  return [
    Float64Array.from(first, (x, pair) => x * Math.cos(angle(pair)) - other(second, pair) * Math.sin(angle(pair))),
    Float64Array.from(second, (y, pair) => y * Math.cos(angle(pair)) + other(first, pair) * Math.sin(angle(pair))),
  ];
}

/** `θ^(-2i/d)`. */
function plainFrequencies({ theta, dimensions }: Pick<Rope, "theta" | "dimensions">): Vector {
  return Float64Array.from({ length: dimensions / 2 }, (_, pair) => theta ** ((-2 * pair) / dimensions));
}

/** A larger theta for sequences longer than the model was made for; the length is that of the whole sequence. */
function dynamicFrequencies({ theta, dimensions, maxPositions, scaling }: Rope, sequenceLength: number): Vector {
  const { factor = 1 } = scaling;
  const length = Math.max(sequenceLength, maxPositions);
  const growth = (factor * length) / maxPositions - (factor - 1);
  return plainFrequencies({ theta: theta * growth ** (dimensions / (dimensions - 2)), dimensions });
}

/** Long waves are slowed down by the factor, short ones are kept, those between are blended. */
function llama3Frequencies(rope: Rope): Vector {
  const { factor = 1, low_freq_factor: low = 1, high_freq_factor: high = 4 } = rope.scaling;
  const length = originalPositions(rope);
  return plainFrequencies(rope).map((frequency) => {
    const turns = (length * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const kept = (turns - low) / (high - low);
    return (1 - kept) * (frequency / factor) + kept * frequency;
  });
}

/**
 * YaRN: pairs that turn more than `beta_fast` times over the original length are kept, those that turn less than
 * `beta_slow` times are slowed down by the factor, those between are blended by their index.
 */
function yarnFrequencies(rope: Rope): Vector {
  const { factor = 1, beta_fast: fast, beta_slow: slow, truncate = true } = rope.scaling;
  const { dimensions, theta } = rope;
  /** The pair, as a real number, that turns so many times. */
  const pairOf = (turns: number) =>
    (dimensions * Math.log(originalPositions(rope) / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(fast || 32), pairOf(slow || 1)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dimensions - 1);
  const width = high === low ? 0.001 : high - low;
  return plainFrequencies(rope).map((frequency, pair) => {
    const slowed = Math.min(Math.max((pair - low) / width, 0), 1);
    return slowed * (frequency / factor) + (1 - slowed) * frequency;
  });
}

function yarnMagnitude({ factor = 1, attention_factor: given, mscale, mscale_all_dim: allDim }: RopeScaling): number {
  if (given !== undefined) return given;
  return mscale && allDim ? yarnGrowth(factor, mscale) / yarnGrowth(factor, allDim) : yarnGrowth(factor, 1);
}

function originalPositions({ scaling, maxPositions }: Rope): number {
  return scaling.original_max_position_embeddings ?? maxPositions;
}
