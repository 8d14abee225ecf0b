import type { Uid } from "../../units.ts";
import { U16_MAX } from "../pallet-weights.ts";

/** Weights as parts of their sum, by UID, without zeros; empty, or a sum of 1 but for rounding. */
export type Shares = ReadonlyMap<Uid, number>;

/** Only ratios of the weights count; those that are not above 0 are left out. */
export function sharesOf(weights: Iterable<readonly [Uid, number]>): Shares {
  const given = [...weights].filter(([, weight]) => weight > 0);
  const sum = given.reduce((total, [, weight]) => total + weight, 0);
  return new Map(given.map(([uid, weight]) => [uid, weight / sum]));
}

/**
 * The part of the weight that lies elsewhere, 0…1: half the sum of all differences.
 *
 * An empty vector has nothing that could lie anywhere: its distance from another one is meaningless.
 */
export function distanceBetween(one: Shares, other: Shares): number {
  return sum(uidsOf(one, other).map((uid) => Math.abs((one.get(uid) ?? 0) - (other.get(uid) ?? 0)))) / 2;
}

/**
 * Whether two vectors can be one and the same, each rounded once to the chain's u16: scaled to a largest weight of 65535
 * no weight differs by more than 1.
 */
export function isWithinRounding(one: Shares, other: Shares): boolean {
  const [a, b] = [scaled(one), scaled(other)];
  return uidsOf(one, other).every((uid) => Math.abs((a.get(uid) ?? 0) - (b.get(uid) ?? 0)) <= 1 + FLOAT_SLACK);
}

/** Of a difference of two numbers up to 65535 that were divided and multiplied again. */
const FLOAT_SLACK = 1e-6;

/** Every UID that has a weight on either side, in ascending order. */
export function uidsOf(one: Shares, other: Shares): readonly Uid[] {
  return [...new Set([...one.keys(), ...other.keys()])].sort((a, b) => a - b);
}

function scaled(shares: Shares): Shares {
  const largest = Math.max(0, ...shares.values());
  return new Map([...shares].map(([uid, share]) => [uid, (share / largest) * U16_MAX]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
