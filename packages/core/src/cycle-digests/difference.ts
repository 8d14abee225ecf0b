import type { Json } from "../hash/canonical-json.ts";
import type { Uid } from "../units.ts";
import { contentOf, type TreeDifference } from "./digest-tree.ts";

/** What two validators can differ in, in the order of cause. */
export const DIFFERENCE_KINDS = {
  /** The network's rules, or the weight of old values. */
  rules: "the network's rules",
  /** The snapshot, the round's blocks, its members or what they committed. */
  plan: "the plan of the round",
  base: "the base model",
  seed: "the seed",
  /** The held-out text: file, tokenizer, which sequences. */
  text: "the held-out text",
  /** Whether miners could submit. */
  door: "whether submissions were possible",
  /** What arrived of a miner, and whether it was taken. */
  submission: "the submission",
  /** Whether a miner was measured, or its mean losses. */
  evaluation: "the evaluation",
  batch: "a batch",
  /** What a miner was given, and why not more. */
  factor: "the factor",
  standing_before: "the standing before the round",
  standing_after: "the standing after the round",
  weights: "the weights",
  merge: "the merge",
} as const;
export type DifferenceKind = keyof typeof DIFFERENCE_KINDS;

/** Where two validators differ, and what each of them has there. */
export interface Difference {
  readonly kind: DifferenceKind;
  /** The miner it is about; null where it is about none. */
  readonly uid: Uid | null;
  /** Number of the batch in the order of the seed. */
  readonly batch: number | null;
  /** Names from the top of the tree down, with `/` between them. */
  readonly path: string;
  /** Null on the side that has nothing there. */
  readonly ours: Json;
  readonly theirs: Json;
}

/** Names a difference of two trees of cycles by what it is about. */
export function differenceOf({ path, ours, theirs }: TreeDifference): Difference {
  const place = placeOf(path);
  const shown = { ours: ours === null ? null : contentOf(ours), theirs: theirs === null ? null : contentOf(theirs) };
  return { ...place, path: path.join("/"), ...shown };
}

/** `batch 3 of uid 17`, `the base model`. */
export function differenceTitle({ kind, uid, batch }: Pick<Difference, "kind" | "uid" | "batch">): string {
  const what = batch === null ? DIFFERENCE_KINDS[kind] : `batch ${batch}`;
  return uid === null ? what : `${what} of uid ${uid}`;
}

function placeOf([top = "", first, second, ...rest]: readonly string[]): Pick<Difference, "kind" | "uid" | "batch"> {
  if (top === "miners") return { ...minerPlace(second, rest), uid: numberOf(first) };
  if (top === "before") return { kind: "standing_before", uid: numberOf(first), batch: null };
  if (top === "after") return { kind: "standing_after", uid: numberOf(first), batch: null };
  if (!isWhole(top)) throw new RangeError(`No tree of a cycle has a part ${top}`);
  const isAboutMiner = first === "roster" || first === "vector";
  return { kind: top, uid: isAboutMiner ? numberOf(second) : null, batch: null };
}

/** Parts of the tree that are called as what they are about. */
const WHOLE_PARTS = ["rules", "plan", "base", "seed", "text", "door", "weights", "merge"] as const;

function isWhole(top: string): top is (typeof WHOLE_PARTS)[number] {
  return (WHOLE_PARTS as readonly string[]).includes(top);
}

function minerPlace(part: string | undefined, rest: readonly string[]): Pick<Difference, "kind" | "batch"> {
  if (part === "factor") return { kind: "factor", batch: null };
  if (part !== "evaluation") return { kind: "submission", batch: null };
  const [list, index] = rest;
  const isBatch = list === "batches" && index !== undefined;
  return isBatch ? { kind: "batch", batch: numberOf(index) } : { kind: "evaluation", batch: null };
}

function numberOf(name: string | undefined): number | null {
  return name === undefined ? null : Number(name);
}
