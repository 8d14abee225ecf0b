import { z } from "zod";
import { hotkeyText } from "../messages/fields.ts";
import type { ScoreState } from "../scoring/round-scores.ts";
import type { BlockHash, Hotkey, Uid } from "../units.ts";
import type { NoWeights, PlannedWeights, WeightFacts } from "../weights/plan-weights.ts";
import { natural } from "./receipt.ts";

/** The chain's side of a plan, as of one block. */
export interface RecordedSubnet {
  readonly block: number;
  readonly hash: BlockHash;
  readonly neurons: readonly { readonly uid: Uid; readonly hotkey: Hotkey }[];
  readonly minAllowedWeights: number;
  readonly maxWeightsLimit: number;
  readonly ownerHotkey: Hotkey;
}

/** What weights follow from besides the standings, and which they are. */
export interface WeightRecord {
  readonly subnet: RecordedSubnet;
  /** The newest weights of ours that the chain was known to have taken. */
  readonly last: {
    readonly uids: readonly Uid[];
    readonly weights: readonly number[];
    readonly hotkeys: readonly Hotkey[];
  } | null;
  /** See `WeightMemory`. */
  readonly earnedUntil: number | null;
  readonly votes: readonly {
    readonly hotkey: Hotkey;
    /** Decimal. */
    readonly stakeRao: string;
    readonly weights: readonly (readonly [Uid, number])[];
  }[];
  readonly plan: RecordedPlan;
}

/** What is meant to be set, or why nothing is. */
export type RecordedPlan =
  | {
      readonly kind: "weights";
      readonly origin: string;
      readonly uids: readonly Uid[];
      /** 0…65535, one per uid. */
      readonly weights: readonly number[];
      readonly hotkeys: readonly Hotkey[];
    }
  | { readonly kind: "none"; readonly reason: string };

/** A plan without what explains it. */
export function recordedPlan(plan: PlannedWeights | NoWeights): RecordedPlan {
  if (plan.kind === "none") return { kind: "none", reason: plan.reason };
  const { origin, uids, weights, hotkeys } = plan;
  return { kind: "weights", origin, uids, weights, hotkeys };
}

/** The facts of a plan as they are recorded; standings stand in the bundle's scores. */
export function recordedFacts(facts: WeightFacts, hash: BlockHash): Omit<WeightRecord, "plan"> {
  const { memory, subnet, votes } = facts;
  const { minAllowedWeights, maxWeightsLimit, ownerHotkey } = subnet.hyperparameters;
  const { last } = memory;
  return {
    subnet: {
      block: subnet.block,
      hash,
      neurons: subnet.neurons.map(({ uid, hotkey }) => ({ uid, hotkey })),
      minAllowedWeights,
      maxWeightsLimit,
      ownerHotkey,
    },
    last: last === null ? null : { uids: last.uids, weights: last.weights, hotkeys: last.hotkeys },
    earnedUntil: memory.earnedUntil,
    votes: votes.map(({ hotkey, stakeRao, weights }) => ({ hotkey, stakeRao: String(stakeRao), weights })),
  };
}

/** What `planWeights` takes, from the record and the standings after the round. */
export function factsOf(
  { subnet, last, earnedUntil, votes }: WeightRecord,
  standings: readonly ScoreState[],
  ownHotkey: Hotkey,
): WeightFacts {
  const { block, neurons, minAllowedWeights, maxWeightsLimit, ownerHotkey } = subnet;
  return {
    memory: { standings: standings.map(({ uid, hotkey, ema }) => ({ uid, hotkey, value: ema })), last, earnedUntil },
    subnet: { block, neurons, hyperparameters: { minAllowedWeights, maxWeightsLimit, ownerHotkey } },
    ownHotkey,
    votes: votes.map(({ hotkey, stakeRao, weights }) => ({ hotkey, stakeRao: BigInt(stakeRao), weights })),
  };
}

const column = z.array(natural).max(65_536);
const hotkeys = z.array(z.string().max(64)).max(65_536);
/** An address or nothing: a slot may have had no holder, a subnet no owner. */
const holder = z.string().max(64);

/** Reads {@link RecordedPlan} and refuses anything else. */
export const recordedPlanSchema: z.ZodType<RecordedPlan> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("weights"), origin: z.string().max(64), uids: column, weights: column, hotkeys }),
  z.strictObject({ kind: z.literal("none"), reason: z.string().max(64) }),
]);

/** Reads {@link WeightRecord} and refuses anything else, unknown keys too. */
export const weightRecordSchema: z.ZodType<WeightRecord> = z.strictObject({
  subnet: z.strictObject({
    block: natural,
    hash: z.string().max(66),
    neurons: z.array(z.strictObject({ uid: natural, hotkey: hotkeyText })).max(65_536),
    minAllowedWeights: natural,
    maxWeightsLimit: natural,
    ownerHotkey: holder,
  }),
  last: z.strictObject({ uids: column, weights: column, hotkeys }).nullable(),
  earnedUntil: z.int().nullable(),
  votes: z
    .array(
      z.strictObject({
        hotkey: hotkeyText,
        stakeRao: z.string().regex(/^(0|[1-9][0-9]{0,38})$/),
        weights: z.array(z.tuple([natural, z.number().nonnegative()])).max(65_536),
      }),
    )
    .max(65_536),
  plan: recordedPlanSchema,
});
