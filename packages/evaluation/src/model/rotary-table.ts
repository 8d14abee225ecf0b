import type { RotaryPositions, YarnScaling } from "./config.ts";

/** Cosines and sines of every position's angles, `[positions, dim / 2]`. */
export interface RotaryTable {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * The angles by which positions turn pairs of numbers. Computed in float64, rounded once.
 *
 * @param dim how many numbers of a head are turned.
 * @param positions length of the sequence.
 */
export function rotaryTable(rotary: RotaryPositions, dim: number, positions: number): RotaryTable {
  const frequencies = rotaryFrequencies(rotary, dim, positions);
  const { scaling } = rotary;
  const factor = scaling.type === "yarn" ? yarnAttentionFactor(scaling) : 1;
  const table = (of: (angle: number) => number) =>
    Float32Array.from({ length: positions * frequencies.length }, (_, at) => {
      const position = Math.floor(at / frequencies.length);
      return factor * of(position * (frequencies[at % frequencies.length] ?? 0));
    });
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/**
 * Radians per position of each pair, highest first.
 *
 * @see https://github.com/huggingface/transformers `modeling_rope_utils.py`
 */
export function rotaryFrequencies(
  { theta, scaling }: RotaryPositions,
  dim: number,
  positions: number,
): readonly number[] {
  const plain = powers(theta, dim);
  switch (scaling.type) {
    case "default":
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / scaling.factor);
    case "dynamic": {
      const length = Math.max(positions, scaling.positions) / scaling.positions;
      return powers(theta * (scaling.factor * length - (scaling.factor - 1)) ** (dim / (dim - 2)), dim);
    }
    case "yarn":
      return yarnFrequencies(plain, theta, dim, scaling);
    case "llama3":
      return plain.map((frequency) => {
        // How many turns the original length makes decides: many are kept, few are slowed, between them a mixture.
        const turns = (scaling.originalPositions * frequency) / (2 * Math.PI);
        const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
        if (turns > high) return frequency;
        if (turns < low) return frequency / factor;
        const kept = (turns - low) / (high - low);
        return ((1 - kept) * frequency) / factor + kept * frequency;
      });
  }
}

/** What yarn multiplies cosines and sines by. */
export function yarnAttentionFactor({ factor, attentionFactor, mscale, mscaleAllDim }: YarnScaling): number {
  if (attentionFactor !== null) return attentionFactor;
  return yarnScale(factor, mscale) / yarnScale(factor, mscaleAllDim);
}

/** Yarn's growth of attention scores with the factor by which positions were stretched. */
export function yarnScale(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

function powers(theta: number, dim: number): readonly number[] {
  return Array.from({ length: dim / 2 }, (_, pair) => theta ** ((-2 * pair) / dim));
}

/** Fast pairs keep their frequency, slow ones are slowed by the factor, with a ramp between two bounds. */
function yarnFrequencies(plain: readonly number[], theta: number, dim: number, yarn: YarnScaling): readonly number[] {
  const boundary = (turns: number) =>
    (dim * Math.log(yarn.originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [boundary(yarn.betaFast), boundary(yarn.betaSlow)];
  const low = Math.max(yarn.truncate ? Math.floor(fast) : fast, 0);
  const bound = Math.min(yarn.truncate ? Math.ceil(slow) : slow, dim - 1);
  const high = bound === low ? low + 0.001 : bound;
  return plain.map((frequency, pair) => {
    const slowed = Math.min(Math.max((pair - low) / (high - low), 0), 1);
    return (frequency / yarn.factor) * slowed + frequency * (1 - slowed);
  });
}
