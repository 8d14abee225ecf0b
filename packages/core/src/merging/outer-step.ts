import type { StepArrays } from "./vectors/vector-loops.ts";
import { vectorLoopsOf } from "./vectors/vector-memory.ts";

/** One tensor's values and the optimiser's settings. All arrays have one length and one order. */
export interface OuterStepInput {
  /** The global model's weights. */
  readonly theta: Float32Array;
  /** Global weights minus merged weights: the direction to walk down. */
  readonly pseudoGradient: Float32Array;
  /** Velocity after the step before; null in the first step. */
  readonly momentum: Float32Array | null;
  /** The published optimiser's 0.7. */
  readonly learningRate: number;
  /** The published optimiser's 0.9. */
  readonly momentumFactor: number;
}

/** Where the tensor after the step goes. */
export interface OuterStepMemory {
  readonly theta: Float32Array;
  readonly momentum: Float32Array;
}

/** The tensor after the step. */
export interface OuterStepOutput extends OuterStepMemory {
  /** Whether all of it is, as it is stored. */
  readonly isFinite: boolean;
}

/**
 * One step of SGD with Nesterov momentum, computed in float64 and stored in float32.
 *
 * `v ← μ·v + g`, then `θ ← θ - lr·(g + μ·v)`. Values that are not finite go through, and the result says so.
 *
 * @param into where the result goes, of the same length; may be the input itself. New arrays unless given, and the
 *   input is left as it was.
 * @throws RangeError if the lengths differ (a caller's bug).
 * @see packages/docs/protocol.md §8.2
 */
export function outerStep(input: OuterStepInput, into?: OuterStepMemory): OuterStepOutput {
  const { theta, pseudoGradient, learningRate, momentumFactor } = input;
  const length = theta.length;
  const next = into ?? { theta: new Float32Array(length), momentum: new Float32Array(length) };
  const momentum = input.momentum ?? next.momentum.fill(0);
  if ([pseudoGradient, momentum, next.theta, next.momentum].some((each) => each.length !== length)) {
    throw new RangeError("Weights, pseudo-gradient and momentum differ in length");
  }
  const arrays = { theta, pseudoGradient, momentum, into: next };
  const vectors = vectorLoopsOf([theta, pseudoGradient, momentum, next.theta, next.momentum]);
  const done = vectors?.outerStep(arrays, input) ?? { values: 0, isFinite: true };
  return { ...next, isFinite: stepFrom(done.values, arrays, learningRate, momentumFactor) && done.isFinite };
}

/** @returns whether all of the results are finite. */
function stepFrom(
  begin: number,
  { theta, pseudoGradient, momentum, into }: StepArrays,
  learningRate: number,
  momentumFactor: number,
): boolean {
  const { length } = theta;
  // Stays 0 unless a value is NaN or infinite: times 0 that is NaN.
  let probe = 0;
  for (let i = begin; i < length; i += 1) {
    const gradient = pseudoGradient[i] as number;
    const velocity = momentumFactor * (momentum[i] as number) + gradient;
    const stored = Math.fround((theta[i] as number) - learningRate * (gradient + momentumFactor * velocity));
    into.momentum[i] = velocity;
    into.theta[i] = stored;
    probe += stored * 0 + Math.fround(velocity) * 0;
  }
  return probe === 0;
}

/** Whether every value is a finite number. Looks at the elements: a sum can overflow where no element does. */
export function allFinite(values: Float32Array): boolean {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  // Adding one to an exponent of all ones carries into the sign, whose bit is masked out before.
  let carries = 0;
  const { length } = words;
  for (let i = 0; i < length; i += 1) carries |= (((words[i] as number) & EXPONENT) + ONE_EXPONENT) | 0;
  return carries >= 0;
}

const EXPONENT = 0x7f800000;
const ONE_EXPONENT = 0x00800000;
