import { add, dot, scale, softmax, type Vector } from "./linear-algebra.ts";

/** One head's queries, keys and values, one of each per position; values may have another width. */
export interface Head {
  readonly queries: readonly Vector[];
  readonly keys: readonly Vector[];
  readonly values: readonly Vector[];
}

export interface AttentionRule {
  /** What products of queries and keys are multiplied by. */
  readonly scale: number;
  /** How many positions a query sees, its own included; null for all before it. */
  readonly window: number | null;
}

/** Each position's mean of the values at its own position and before, weighted by the softmax of the scores. */
export function attend({ queries, keys, values }: Head, rule: AttentionRule): readonly Vector[] {
  return queries.map((query, position) => {
    const first = rule.window === null ? 0 : Math.max(0, position - rule.window + 1);
    const visible = <T>(all: readonly T[]) => all.slice(first, position + 1);
    const weights = softmax(Float64Array.from(visible(keys), (key) => dot(query, key) * rule.scale));
    const weighted = visible(values).map((value, index) => scale(value, weights[index] ?? Number.NaN));
    return weighted.reduce(add);
  });
}
