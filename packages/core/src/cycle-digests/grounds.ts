import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import type { Bundle } from "../receipts/bundle.ts";
import { checkScores } from "../receipts/check-scores.ts";
import { checkWeights } from "../receipts/check-weights.ts";
import { type Finding, Findings } from "../receipts/finding.ts";
import type { MeasuredEvaluation } from "../receipts/receipt.ts";
import { factsOf, recordedPlan } from "../receipts/weight-record.ts";
import type { Uid } from "../units.ts";
import { planWeights } from "../weights/plan-weights.ts";
import type { Difference } from "./difference.ts";
import { scoreTolerance } from "./score-tolerance.ts";

export type Side = "ours" | "theirs";

/** What weights follow from beside the standings: the chain's side, as each validator read it. */
export type WeightGround = "neurons" | "limits" | "owner" | "last" | "earnedUntil" | "votes";

/** What two bundles say about the causes of a difference. Each thing is looked at when it is first asked for. */
export class Grounds {
  readonly #bundles: Readonly<Record<Side, Bundle>>;
  readonly #findings: { -readonly [S in Side]?: readonly Finding[] } = {};
  #tolerance: number | null = null;

  constructor(ours: Bundle, theirs: Bundle) {
    this.#bundles = { ours, theirs };
  }

  /** By how much a miner's losses may differ, in nats per token, as our receipt says. */
  band(uid: Uid | null): number {
    return this.#measured("ours", uid)?.band ?? 0;
  }

  /** Whether both sides cut a miner's text alike, so that batches can be compared one by one. */
  hasSameBatches(uid: Uid | null): boolean {
    const [ours, theirs] = [this.#measured("ours", uid), this.#measured("theirs", uid)];
    return ours?.text?.batchSize === theirs?.text?.batchSize;
  }

  /** {@link scoreTolerance} of our round. */
  scoreTolerance(): number {
    this.#tolerance ??= scoreTolerance(this.#bundles.ours);
    return this.#tolerance;
  }

  /** On which side a factor, a standing after the round or the weights are not what their own causes give. */
  notFollowing({ kind, uid }: Pick<Difference, "kind" | "uid">): readonly Side[] {
    return SIDES.filter((side) =>
      this.#check(side).some((finding) => {
        // Losses that cannot be scored at all.
        if (finding.part === "bundle") return kind === "factor" || kind === "standing_after";
        if (finding.part === "weight") return kind === "weights";
        return finding.uid === uid && kind === (finding.part === "state" ? "standing_after" : "factor");
      }),
    );
  }

  /** Whether weights differ only because standings do: with our side of the chain, their standings give their weights. */
  isOnlyOfStandings(): boolean {
    const { ours, theirs } = this.#bundles;
    if (this.notFollowing({ kind: "weights", uid: null }).length > 0) return false;
    const facts = factsOf(ours.weights, theirs.scores.after, ours.header.validator);
    return isSame(recordedPlan(planWeights(facts, ours.header.network)), theirs.weights.plan);
  }

  /** What each validator read for itself, and read otherwise than the other. */
  weightGrounds(): readonly WeightGround[] {
    const [ours, theirs] = [groundsOf(this.#bundles.ours), groundsOf(this.#bundles.theirs)];
    return WEIGHT_GROUNDS.filter((ground) => !isSame(ours[ground], theirs[ground]));
  }

  #measured(side: Side, uid: Uid | null): MeasuredEvaluation | null {
    const signed = this.#bundles[side].receipts.find(({ receipt }) => receipt.uid === uid);
    return signed?.receipt.evaluation.kind === "scored" ? signed.receipt.evaluation : null;
  }

  #check(side: Side): readonly Finding[] {
    const known = this.#findings[side];
    if (known !== undefined) return known;
    const findings = new Findings();
    checkScores(this.#bundles[side], findings);
    checkWeights(this.#bundles[side], findings);
    this.#findings[side] = findings.all;
    return findings.all;
  }
}

const SIDES = ["ours", "theirs"] as const;
const WEIGHT_GROUNDS = ["neurons", "limits", "owner", "last", "earnedUntil", "votes"] as const;

function groundsOf({ weights: { subnet, last, earnedUntil, votes } }: Bundle): Readonly<Record<WeightGround, unknown>> {
  const { neurons, minAllowedWeights, maxWeightsLimit, ownerHotkey } = subnet;
  return { neurons, limits: [minAllowedWeights, maxWeightsLimit], owner: ownerHotkey, last, earnedUntil, votes };
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson(one as Json) === canonicalJson(other as Json);
}
