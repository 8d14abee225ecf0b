import { softmax, sum, type Vector } from "./linear-algebra.ts";

/** How a token's experts are chosen from the router's scores. */
export interface Routing {
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Whether the shares of the chosen experts are divided by their sum. */
  readonly normalize: boolean;
  /** What shares are multiplied by that are not divided by their sum. */
  readonly scale: number;
  /** Experts lie in groups of equal size, of which only the best few may be chosen from; null for no groups. */
  readonly groups: { readonly count: number; readonly chosen: number } | null;
}

/** An expert and the weight of its output. */
export interface Choice {
  readonly expert: number;
  readonly share: number;
}

/**
 * @param logits the router's output, one per expert.
 * @see Transformers `Qwen3MoeSparseMoeBlock`, `MixtralSparseMoeBlock`, `OlmoeSparseMoeBlock`
 * @see `modeling_deepseek.py`, `MoEGate`: shares that are divided by their sum are not scaled
 */
export function chooseExperts(logits: Vector, routing: Routing): readonly Choice[] {
  const scores = softmax(logits);
  const eligible = routing.groups === null ? scores : withinBestGroups(scores, routing.groups);
  const chosen = largest(eligible, routing.expertsPerToken);
  const shares = Float64Array.from(chosen, (expert) => eligible[expert] ?? Number.NaN);
  const factor = routing.normalize ? 1 / sum(shares) : routing.scale;
  return chosen.map((expert, index) => ({ expert, share: (shares[index] ?? Number.NaN) * factor }));
}

/** A group is as good as its best expert; scores of the others become 0. */
function withinBestGroups(scores: Vector, { count, chosen }: NonNullable<Routing["groups"]>): Vector {
  const size = scores.length / count;
  const best = Float64Array.from({ length: count }, (_, group) =>
    Math.max(...scores.slice(group * size, (group + 1) * size)),
  );
  const groups = largest(best, chosen);
  return scores.map((score, expert) => (groups.includes(Math.floor(expert / size)) ? score : 0));
}

/** Indices of the largest values, largest first; of equal ones the first. */
function largest(values: Vector, count: number): readonly number[] {
  const indices = [...values.keys()];
  const byValue = (left: number, right: number) => (values[right] ?? Number.NaN) - (values[left] ?? Number.NaN);
  return indices.sort(byValue).slice(0, count);
}
