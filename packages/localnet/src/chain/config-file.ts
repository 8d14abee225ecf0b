import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { DevChainOptions } from "./dev-chain.ts";

/** Numbers beyond 2^53 are written as strings of digits. */
const amount = z.union([z.int().nonnegative(), z.string().regex(/^\d+$/)]).transform(BigInt);
const blocks = z.int().nonnegative();

const hyperparameters = z.strictObject({
  tempo: z.int().positive(),
  weightsSetRateLimit: blocks,
  weightsVersionKey: amount,
  minAllowedWeights: z.int().nonnegative(),
  maxWeightsLimit: z.int().min(0).max(65_535),
  maxAllowedValidators: z.int().nonnegative(),
  activityCutoff: blocks,
  servingRateLimit: blocks,
  commitRevealWeightsEnabled: z.boolean(),
  commitRevealWeightsVersion: z.int().min(0).max(65_535),
  revealPeriodEpochs: z.int().nonnegative(),
  stakeThreshold: amount,
  maxSpace: z.int().nonnegative(),
});

const configSchema = z.strictObject({
  netuid: z.int().min(1).max(65_535),
  neurons: z.array(
    z.strictObject({
      hotkey: z.string(),
      coldkey: z.string().optional(),
      stakeRao: amount.optional(),
      permit: z.boolean().optional(),
    }),
  ),
  hyperparameters: hyperparameters.partial().optional(),
  host: z.string().optional(),
  port: z.int().min(0).max(65_535).optional(),
  blockMillis: z.number().positive().optional(),
  beaconPeriodSeconds: z.int().positive().optional(),
  manual: z.boolean().optional(),
  finalityLag: z.int().positive().optional(),
  pruneAfterBlocks: z.int().positive().optional(),
  poolLimit: z.int().positive().optional(),
  poolChecks: z.boolean().optional(),
});

/** A chain's options as a JSON file; every mistake of the file is in the error's message. */
export async function readConfigFile(path: string): Promise<DevChainOptions> {
  const parsed = configSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!parsed.success) throw new Error(`${path}:\n${z.prettifyError(parsed.error)}`);
  return withoutUndefined(parsed.data);
}

/** Optional options are absent, not undefined. */
function withoutUndefined(config: z.infer<typeof configSchema>): DevChainOptions {
  const { neurons, hyperparameters: rules = {}, ...rest } = config;
  return {
    ...present(rest),
    netuid: config.netuid,
    neurons: neurons.map((neuron) => ({ ...present(neuron), hotkey: neuron.hotkey })),
    hyperparameters: present(rules),
  };
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
