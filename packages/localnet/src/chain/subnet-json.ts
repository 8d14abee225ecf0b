import { z } from "zod";
import type { GenesisNeuron, NewNeuron, SubnetRules } from "./subnet-terms.ts";

/** Numbers beyond 2^53 are written as strings of digits. */
const amount = z.union([z.int().nonnegative(), z.string().regex(/^\d+$/)]).transform(BigInt);
const blocks = z.int().nonnegative();

const neuron = z.strictObject({
  hotkey: z.string(),
  coldkey: z.string().optional(),
  stakeRao: amount.optional(),
  permit: z.boolean().optional(),
});

/** A neuron as JSON. */
export const neuronSchema: z.ZodType<GenesisNeuron> = neuron
  .extend({ owner: z.boolean().optional() })
  .transform(withHotkey);

/** A neuron that joins during the run, as JSON. */
export const newNeuronSchema: z.ZodType<NewNeuron> = neuron
  .extend({ uid: z.int().min(0).max(65_535).optional() })
  .transform(withHotkey);

/** Rules of the subnet as JSON. */
export const hyperparametersSchema: z.ZodType<Partial<SubnetRules>> = z
  .strictObject({
    tempo: z.int().positive(),
    weightsSetRateLimit: blocks,
    weightsVersionKey: amount,
    minAllowedWeights: z.int().nonnegative(),
    maxWeightsLimit: z.int().min(0).max(65_535),
    maxAllowedUids: z.int().min(1).max(65_535),
    maxAllowedValidators: z.int().nonnegative(),
    activityCutoff: blocks,
    servingRateLimit: blocks,
    commitRevealWeightsEnabled: z.boolean(),
    commitRevealWeightsVersion: z.int().min(0).max(65_535),
    revealPeriodEpochs: z.int().nonnegative(),
    stakeThreshold: amount,
    maxSpace: z.int().nonnegative(),
  })
  .partial()
  .transform(present);

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The same without what is undefined: optional properties are absent then. */
export function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}

function withHotkey<T extends { readonly hotkey: string }>(values: T): Present<T> & Pick<T, "hotkey"> {
  return { ...present(values), hotkey: values.hotkey };
}
