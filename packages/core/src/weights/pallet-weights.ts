/** The largest weight that the chain stores, and the limit that stands for no limit. */
export const U16_MAX = 65_535;

/** The pallet's fixed-point numbers (`I32F32`) have 32 bits behind the point; here they are integers in 2^-32. */
const ONE = 1n << 32n;
const HALF = ONE >> 1n;
const MAX = BigInt(U16_MAX);
/** From here on the pallet divides before it multiplies, as the product would leave its 31 bits. */
const LARGEST_PRODUCT = 32_768;

/**
 * Weights as the chain stores them: the largest becomes 65535, the others keep their ratio to it; zeros alone stay zeros.
 *
 * Bit for bit the pallet's arithmetic: a product or, above 32768, a quotient cut off at 2^-32, then rounded half up. So
 * a half may be rounded down where the quotient was cut.
 *
 * @param weights whole numbers, 0…65535
 * @see subtensor, `pallets/subtensor/src/epoch/math.rs`, `vec_u16_max_upscale_to_u16`
 */
export function maxUpscaled(weights: readonly number[]): readonly number[] {
  const largest = weights.reduce((max, weight) => Math.max(max, weight), 0);
  if (largest === 0) return weights;
  const divisor = BigInt(largest);
  const quotient = (MAX * ONE) / divisor;
  const scaled = (weight: bigint) => (largest > LARGEST_PRODUCT ? weight * quotient : (weight * MAX * ONE) / divisor);
  return weights.map((weight) => Number((scaled(BigInt(weight)) + HALF) / ONE));
}

/**
 * Whether no weight is more than the subnet's largest share of the sum, as the chain decides it after its scaling.
 *
 * @param weights whole numbers, 0…65535
 * @param limit `MaxWeightsLimit` in 1/65535; 65535 turns the rule off
 * @see subtensor, `pallets/subtensor/src/epoch/math.rs`, `check_vec_max_limited`
 */
export function isWithinMaxWeight(weights: readonly number[], limit: number): boolean {
  const sum = BigInt(weights.reduce((total, weight) => total + weight, 0));
  if (limit >= U16_MAX || sum === 0n) return true;
  const largest = BigInt(weights.reduce((max, weight) => Math.max(max, weight), 0));
  return (largest * ONE) / sum <= (BigInt(limit) * ONE) / MAX;
}
