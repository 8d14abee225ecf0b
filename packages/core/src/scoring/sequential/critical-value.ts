/** Below, the sum's rounding would show. */
const LEAST_PROBABILITY = 1e-10;
const HALVINGS = 60;

/**
 * The value that a Student-t variable exceeds with the given probability at most.
 *
 * Bit-equal on every machine: for an even number of degrees of freedom the distribution is a finite sum, so nothing but
 * `+ - * /` and the square root is used, which IEEE 754 and the language define to the last bit (Abramowitz and Stegun,
 * 26.7.4). An odd number counts as the even one below it, which makes the value larger.
 *
 * @param degrees of freedom, at least 2
 * @returns infinity for a probability below 1e-10, which nothing measured here can speak to
 * @throws RangeError for fewer degrees or a probability outside (0, 0.5) (a caller's bug).
 */
export function criticalValue(probability: number, degrees: number): number {
  if (!(Number.isSafeInteger(degrees) && degrees >= 2)) throw new RangeError(`Too few degrees of freedom: ${degrees}`);
  if (!(probability > 0 && probability < 0.5)) throw new RangeError(`Not a level: ${probability}`);
  if (probability < LEAST_PROBABILITY) return Number.POSITIVE_INFINITY;
  const even = degrees - (degrees % 2);
  let high = 1;
  while (upperTail(high, even) > probability) high *= 2;
  let low = 0;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (upperTail(middle, even) > probability) low = middle;
    else high = middle;
  }
  return high;
}

/** Probability of a value above `t`, for an even number of degrees. */
function upperTail(t: number, degrees: number): number {
  const cosineSquared = degrees / (degrees + t * t);
  let term = 1;
  let sum = 1;
  for (let factor = 1; factor < degrees / 2; factor += 1) {
    term = (term * (2 * factor - 1) * cosineSquared) / (2 * factor);
    sum += term;
  }
  return (1 - (t / Math.sqrt(degrees + t * t)) * sum) / 2;
}
