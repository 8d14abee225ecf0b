import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import type { Bundle } from "../receipts/bundle.ts";
import type { BatchLoss } from "../scoring/outcome.ts";
import type { ScoreState } from "../scoring/round-scores.ts";
import { type CycleFacts, isBeginning } from "./cycle-facts.ts";
import { cycleTree } from "./cycle-tree.ts";
import { type Difference, differenceOf } from "./difference.ts";
import { type TreeDifference, treeDifferences } from "./digest-tree.ts";
import { Grounds, type Side, type WeightGround } from "./grounds.ts";

/** One validator's cycle; the bundle is needed only where the digests do not decide. */
export interface ComparedCycle {
  readonly facts: CycleFacts;
  readonly bundle: Bundle | null;
}

export type CycleComparison =
  | {
      readonly kind: "compared";
      /** The first difference that no tolerance explains; null when there is none. */
      readonly first: NamedDifference | null;
      /** What was passed over before it. */
      readonly within: WithinBand;
    }
  | { readonly kind: "bundles_needed" };

/** Differences that two honest validators have, whose devices compute other last digits, and what only follows from them. */
export interface WithinBand {
  readonly batches: number;
  /** Miners whose mean losses differ. */
  readonly evaluations: number;
  readonly factors: number;
  readonly standings: number;
  /** Slots whose weight differs. */
  readonly weights: number;
  /** Largest difference of a loss, in nats per token. */
  readonly largest: number;
}

/** A difference with what speaks to its cause. */
export interface NamedDifference extends Difference {
  /** How far losses lie apart, in nats per token, and how far they may; null unless both sides have losses there. */
  readonly apart: { readonly perToken: number; readonly band: number } | null;
  /** Whose value is not what its own losses and standings give. */
  readonly doesNotFollow: readonly Side[];
  /** Of weights: what differs of the chain's side, which each validator reads for itself. */
  readonly weightGrounds: readonly WeightGround[];
}

/**
 * Walks two trees in the order of cause and names the first difference that matters.
 *
 * Losses may differ by our receipts' band; a standing before the round by what that band can do to a score. What comes
 * of losses and standings (factors, standings after, weights) may differ as far as it follows by the rules, on each side
 * from its own. Everything else must be equal. Text is no difference where one side measured nobody, stopped earlier, or
 * cut the same sequences into batches of another size: then only mean losses are compared.
 *
 * @param ours whose bands and rules count
 */
export function compareCycles(ours: ComparedCycle, theirs: ComparedCycle): CycleComparison {
  const grounds = ours.bundle === null || theirs.bundle === null ? null : new Grounds(ours.bundle, theirs.bundle);
  const within = { batches: 0, evaluations: 0, factors: 0, standings: 0, weights: 0, largest: 0 };
  const trees = [cycleTree(ours.facts, ours.bundle), cycleTree(theirs.facts, theirs.bundle)] as const;
  for (const found of treeDifferences(...trees)) {
    const difference = differenceOf(found);
    const verdict = judge(found, difference, { ours, theirs, grounds });
    if (verdict === "bundles_needed") return { kind: verdict };
    if (verdict.passesAs === undefined) {
      return { kind: "compared", first: named(difference, grounds, verdict), within };
    }
    if (verdict.passesAs !== "nothing") within[verdict.passesAs] += 1;
    within.largest = Math.max(within.largest, verdict.apart?.perToken ?? 0);
  }
  return { kind: "compared", first: null, within };
}

function judge(
  found: TreeDifference,
  difference: Difference,
  { ours, theirs, grounds }: { ours: ComparedCycle; theirs: ComparedCycle; grounds: Grounds | null },
): Verdict | "bundles_needed" {
  const { kind } = difference;
  if (kind === "text") return isOtherText(found.path.at(-1), ours.facts, theirs.facts) ? {} : { passesAs: "nothing" };
  if (grounds !== null) return verdictOn(difference, grounds);
  const isFolded = found.ours?.content.kind === "folded" && found.theirs?.content.kind === "folded";
  return isFolded || FOLLOWING.has(kind) ? "bundles_needed" : {};
}

/** Kinds that may differ because something before them does. */
const FOLLOWING: ReadonlySet<string> = new Set(["factor", "standing_before", "standing_after", "weights"]);

interface Verdict {
  /** As what it is counted when it does not matter. */
  readonly passesAs?: Exclude<keyof WithinBand, "largest"> | "nothing" | undefined;
  readonly apart?: NamedDifference["apart"];
}

function named(difference: Difference, grounds: Grounds | null, verdict: Verdict): NamedDifference {
  return {
    ...difference,
    apart: verdict.apart ?? null,
    doesNotFollow: grounds?.notFollowing(difference) ?? [],
    weightGrounds: difference.kind === "weights" ? (grounds?.weightGrounds() ?? []) : [],
  };
}

function verdictOn(difference: Difference, grounds: Grounds): Verdict {
  const { kind } = difference;
  if (kind === "batch") return batchVerdict(difference, grounds);
  if (kind === "evaluation") return meanVerdict(difference, grounds);
  if (kind === "factor") return passing("factors", grounds.notFollowing(difference).length === 0);
  if (kind === "standing_after") return passing("standings", grounds.notFollowing(difference).length === 0);
  if (kind === "standing_before") return passing("standings", isNear(difference, grounds.scoreTolerance()));
  if (kind === "weights") return passing("weights", grounds.isOnlyOfStandings());
  return {};
}

function passing(as: Exclude<keyof WithinBand, "largest">, passes: boolean): Verdict {
  return { passesAs: passes ? as : undefined };
}

function batchVerdict({ uid, ours, theirs }: Difference, grounds: Grounds): Verdict {
  if (!grounds.hasSameBatches(uid)) return { passesAs: "nothing" };
  if (ours === null || theirs === null) return {};
  const [one, other] = [ours as unknown as BatchLoss, theirs as unknown as BatchLoss];
  if (one.tokens !== other.tokens) return {};
  const nats = Math.max(Math.abs(one.before - other.before), Math.abs(one.after - other.after));
  return lossVerdict("batches", nats / Math.max(1, one.tokens), grounds.band(uid));
}

/** Tokens, means over all of them, and how many batches a stage left. */
interface Mean {
  readonly tokens: number;
  readonly lossBefore: number;
  readonly lossAfter: number;
  readonly batchesLeft: number;
}

function meanVerdict({ uid, path, ours, theirs }: Difference, grounds: Grounds): Verdict {
  if (!path.endsWith("/mean") || ours === null || theirs === null) return {};
  const [one, other] = [ours as unknown as Mean, theirs as unknown as Mean];
  const isSameLength = one.batchesLeft === other.batchesLeft || !grounds.hasSameBatches(uid);
  if (one.tokens !== other.tokens || !isSameLength) return {};
  const nats = Math.max(Math.abs(one.lossBefore - other.lossBefore), Math.abs(one.lossAfter - other.lossAfter));
  return lossVerdict("evaluations", nats, grounds.band(uid));
}

function lossVerdict(as: "batches" | "evaluations", perToken: number, band: number): Verdict {
  return { ...passing(as, perToken <= band), apart: { perToken, band } };
}

/** Whether two standings are of one hotkey and round, and averages lie no further apart. */
function isNear({ ours, theirs }: Difference, tolerance: number): boolean {
  if (ours === null || theirs === null) return false;
  const [{ ema: own, ...one }, { ema: others, ...other }] = [
    ours as unknown as ScoreState,
    theirs as unknown as ScoreState,
  ];
  return canonicalJson(one as Json) === canonicalJson(other as Json) && Math.abs(own - others) <= tolerance;
}

function isOtherText(part: string | undefined, { texts: ours }: CycleFacts, { texts: theirs }: CycleFacts): boolean {
  if (ours.length === 0 || theirs.length === 0 || part === "batchSize") return false;
  const [one, other] = [ours[0]?.chosen ?? [], theirs[0]?.chosen ?? []];
  return part !== "chosen" || ours.length > 1 || theirs.length > 1 || !isBeginning(one, other);
}
