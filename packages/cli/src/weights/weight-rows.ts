import type { Uid } from "@assay/core/units";
import { table } from "../readable.ts";

/** One weight. `weight` is in 1/65535 of the largest. */
export interface WeightRow {
  readonly uid: Uid;
  readonly weight: number;
  /** Of the sum of all, 0…1: what the chain pays by. */
  readonly share: number;
}

/** One weight on two sides; 0 where a side has none. */
export interface WeightDifference {
  readonly uid: Uid;
  readonly intended: number;
  readonly onChain: number;
}

export function weightRows(weights: Iterable<readonly [Uid, number]>): readonly WeightRow[] {
  const all = [...weights];
  const sum = all.reduce((total, [, weight]) => total + weight, 0);
  return all.map(([uid, weight]) => ({ uid, weight, share: sum === 0 ? 0 : weight / sum }));
}

/** Every uid that has a weight on either side, by uid. */
export function weightDifferences(
  intended: Iterable<readonly [Uid, number]>,
  onChain: Iterable<readonly [Uid, number]>,
): readonly WeightDifference[] {
  const [meant, stored] = [new Map(intended), new Map(onChain)];
  return [...new Set([...meant.keys(), ...stored.keys()])]
    .sort((a, b) => a - b)
    .map((uid) => ({ uid, intended: meant.get(uid) ?? 0, onChain: stored.get(uid) ?? 0 }));
}

export function differs({ intended, onChain }: WeightDifference): boolean {
  return intended !== onChain;
}

/** Two columns of equal length as pairs. */
export function pairs(uids: readonly Uid[], weights: readonly number[]): readonly (readonly [Uid, number])[] {
  return uids.map((uid, index) => [uid, weights[index] ?? 0] as const);
}

export function renderWeights(rows: readonly WeightRow[]): string {
  const cells = rows.map(({ uid, weight, share }) => [String(uid), String(weight), `${(share * 100).toFixed(2)} %`]);
  return table([["uid", "weight", "share"], ...cells]);
}

export function renderDifferences(rows: readonly WeightDifference[], intended: string): string {
  const cells = rows.map((row) => [
    String(row.uid),
    String(row.intended),
    String(row.onChain),
    differs(row) ? "differs" : "",
  ]);
  return table([["uid", intended, "on chain", ""], ...cells]);
}
