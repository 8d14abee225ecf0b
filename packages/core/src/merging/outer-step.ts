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

/** The tensor after the step. New arrays: the input is left as it was. */
export interface OuterStepOutput {
  readonly theta: Float32Array;
  readonly momentum: Float32Array;
}

/**
 * One step of SGD with Nesterov momentum, computed in float64 and stored in float32.
 *
 * `v ← μ·v + g`, then `θ ← θ - lr·(g + μ·v)`. Values that are not finite go through: look at the result with
 * `allFinite` before it is published.
 *
 * @throws RangeError if the lengths differ (a caller's bug).
 * @see packages/docs/protocol.md §8.2
 */
export function outerStep(input: OuterStepInput): OuterStepOutput {
  const { theta, pseudoGradient, momentum, learningRate, momentumFactor } = input;
  const length = theta.length;
  if (pseudoGradient.length !== length || (momentum !== null && momentum.length !== length)) {
    throw new RangeError("Weights, pseudo-gradient and momentum differ in length");
  }
  const nextTheta = new Float32Array(length);
  const nextMomentum = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const gradient = pseudoGradient[i] ?? 0;
    const velocity = momentumFactor * (momentum?.[i] ?? 0) + gradient;
    nextMomentum[i] = velocity;
    nextTheta[i] = (theta[i] ?? 0) - learningRate * (gradient + momentumFactor * velocity);
  }
  return { theta: nextTheta, momentum: nextMomentum };
}

/** Whether every value is a finite number. Looks at the elements: a sum can overflow where no element does. */
export function allFinite(values: Float32Array): boolean {
  return values.every(Number.isFinite);
}
