import { z } from "zod";
import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import { hotkeyText } from "../messages/fields.ts";
import { type Network, networkSchema } from "../network.ts";
import { type Bundle, blockHashText, MOST_MEMBERS, roundSchema, statesSchema } from "../receipts/bundle.ts";
import {
  digestText,
  natural,
  type Receipt,
  type ReceivedSubmission,
  receivedSubmissionSchema,
  type UnmeasuredEvaluation,
  unmeasuredSchema,
  wordText,
} from "../receipts/receipt.ts";
import { type RecordedPlan, recordedPlanSchema } from "../receipts/weight-record.ts";
import type { Round } from "../round/round.ts";
import type { ScoreState } from "../scoring/round-scores.ts";
import type { BlockHash, Hotkey, ModelVersion, Sha256Hex, Uid } from "../units.ts";
import { treeRoot } from "./digest-tree.ts";
import { measuredParts } from "./measured-parts.ts";

/**
 * What a validator computed in a cycle, as far as two honest ones come to the same: no signatures of theirs, no hotkey,
 * no times of their own, no runtime, nothing that was read from the chain at a block of their own choice.
 */
export interface CycleFacts {
  readonly rules: {
    readonly network: Network;
    /** Weight of the old value in the moving average. */
    readonly weightOfOld: number;
  };
  readonly plan: Round;
  /** Digest of the model that was trained from. */
  readonly baseDigest: Sha256Hex;
  readonly seed: { readonly blockHash: BlockHash; readonly value: string } | null;
  /** One where everybody was measured on the same; none when nobody was measured. */
  readonly texts: readonly ComparedText[];
  /** Whether miners could submit for most of the window. */
  readonly doorWasOpen: boolean;
  /** By uid. */
  readonly miners: readonly MinerFacts[];
  /** Standings by uid. */
  readonly before: readonly ScoreState[];
  readonly after: readonly ScoreState[];
  readonly weights: RecordedPlan;
  readonly merge: MergeOutcome;
}

/** Held-out text that miners were measured on; null where an older release did not say. */
export interface ComparedText {
  readonly datasetSha256: Sha256Hex;
  readonly tokenizerSha256: Sha256Hex | null;
  readonly sequences: number | null;
  /** The longest choice: a measurement that was stopped took the first of these. */
  readonly chosen: readonly number[];
  /** Sequences per batch. */
  readonly batchSize: number | null;
}

export interface MinerFacts {
  readonly uid: Uid;
  readonly arrived: boolean;
  readonly submission: ReceivedSubmission;
  readonly evaluation: MinerEvaluation;
  readonly w: number;
  readonly reason: string | null;
}

/** What a measurement came to. Losses are known by the root of their parts, which a bundle has. */
export type MinerEvaluation = { readonly kind: "scored"; readonly root: Sha256Hex } | UnmeasuredEvaluation;

/** How a cycle's merge ended. */
export interface MergeOutcome {
  /** Who averaged, in the order of their hotkeys. */
  readonly members: readonly Hotkey[];
  /** Digests of the version that they agreed on and of its momentum; null without an agreement. */
  readonly agreed: { readonly version: Sha256Hex; readonly momentum: Sha256Hex } | null;
  readonly result: string;
  /** The version that the validator itself published; null when it published none. */
  readonly published: { readonly version: ModelVersion; readonly digest: Sha256Hex } | null;
}

/**
 * What of a bundle two validators compare, and how the cycle's merge ended. The same bundle and end give the same.
 *
 * Left out beside what {@link CycleFacts} says: what a receipt repeats of header and plan, and the chain's side of the
 * weights, which is of another block at each validator.
 */
export function cycleFacts({ header, receipts, scores, weights }: Bundle, merge: MergeOutcome): CycleFacts {
  const { network, weightOfOld, round, baseDigest, seed, doorWasOpen } = header;
  const sorted = byUid(receipts.map(({ receipt }) => receipt));
  return {
    rules: { network, weightOfOld },
    plan: { ...round, roster: byUid(round.roster) },
    baseDigest,
    seed,
    texts: textsOf(sorted),
    doorWasOpen,
    miners: sorted.map(minerFacts),
    before: byUid(scores.before),
    after: byUid(scores.after),
    weights: weights.plan,
    merge,
  };
}

function minerFacts({ uid, arrived, submission, evaluation, w, reason }: Receipt): MinerFacts {
  const { kind } = evaluation;
  const compared = kind === "scored" ? { kind, root: treeRoot(measuredParts(evaluation)) } : evaluation;
  return { uid, arrived, submission, evaluation: compared, w, reason };
}

function byUid<Row extends { readonly uid: Uid }>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => a.uid - b.uid);
}

/** Different texts in the order of their first miners; one whose choice begins another's is the same. */
function textsOf(receipts: readonly Receipt[]): readonly ComparedText[] {
  const texts: ComparedText[] = [];
  for (const { evaluation } of receipts) {
    if (evaluation.kind !== "scored") continue;
    const { datasetSha256, text } = evaluation;
    const { tokenizerSha256 = null, sequences = null, chosen = [], batchSize = null } = text ?? {};
    const found = { datasetSha256, tokenizerSha256, sequences, chosen, batchSize };
    const known = texts.findIndex((each) => isSameText(each, found));
    if (known === -1) texts.push(found);
    else if (found.chosen.length > (texts[known]?.chosen.length ?? 0)) texts[known] = found;
  }
  return texts;
}

function isSameText({ chosen, ...one }: ComparedText, { chosen: others, ...other }: ComparedText): boolean {
  return canonicalJson(one as Json) === canonicalJson(other as Json) && isBeginning(chosen, others);
}

/** Whether the shorter of two choices is the beginning of the longer. */
export function isBeginning(one: readonly number[], other: readonly number[]): boolean {
  const [shorter, longer] = one.length <= other.length ? [one, other] : [other, one];
  return shorter.every((sequence, index) => longer[index] === sequence);
}

const NOT_BY_UID = { error: "not one for each uid, by uid" } as const;

const mergeSchema: z.ZodType<MergeOutcome> = z.strictObject({
  members: z.array(hotkeyText).max(MOST_MEMBERS),
  agreed: z.strictObject({ version: digestText, momentum: digestText }).nullable(),
  result: wordText,
  published: z.strictObject({ version: natural, digest: digestText }).nullable(),
});

const minerSchema: z.ZodType<MinerFacts> = z.strictObject({
  uid: natural,
  arrived: z.boolean(),
  submission: receivedSubmissionSchema,
  evaluation: z.union([z.strictObject({ kind: z.literal("scored"), root: digestText }), unmeasuredSchema]),
  w: z.number(),
  reason: wordText.nullable(),
});

const textSchema: z.ZodType<ComparedText> = z.strictObject({
  datasetSha256: digestText,
  tokenizerSha256: digestText.nullable(),
  sequences: natural.nullable(),
  chosen: z.array(natural),
  batchSize: z.int().positive().nullable(),
});

/** Reads {@link CycleFacts} and refuses anything else: unknown keys, and a uid that comes twice or out of order. */
export const cycleFactsSchema: z.ZodType<CycleFacts> = z.strictObject({
  rules: z.strictObject({ network: networkSchema, weightOfOld: z.number().min(0).lt(1) }),
  plan: roundSchema.refine(({ roster }) => isRising(uidsOf(roster)), NOT_BY_UID),
  baseDigest: digestText,
  seed: z.strictObject({ blockHash: blockHashText, value: digestText }).nullable(),
  texts: z.array(textSchema).max(MOST_MEMBERS),
  doorWasOpen: z.boolean(),
  miners: z
    .array(minerSchema)
    .max(MOST_MEMBERS)
    .refine((miners) => isRising(uidsOf(miners)), NOT_BY_UID),
  before: statesSchema.refine((states) => isRising(uidsOf(states)), NOT_BY_UID),
  after: statesSchema.refine((states) => isRising(uidsOf(states)), NOT_BY_UID),
  weights: recordedPlanSchema.refine((plan) => plan.kind === "none" || isRising(plan.uids), NOT_BY_UID),
  merge: mergeSchema,
});

function uidsOf(rows: readonly { readonly uid: Uid }[]): readonly Uid[] {
  return rows.map(({ uid }) => uid);
}

function isRising(uids: readonly Uid[]): boolean {
  return uids.every((uid, index) => index === 0 || uid > (uids[index - 1] ?? uid));
}
