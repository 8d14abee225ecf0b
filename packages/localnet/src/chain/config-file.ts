import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { DevChainOptions } from "./dev-chain.ts";
import { hyperparametersSchema, neuronSchema, present } from "./subnet-json.ts";

const configSchema = z.strictObject({
  netuid: z.int().min(1).max(65_535),
  neurons: z.array(neuronSchema),
  hyperparameters: hyperparametersSchema.optional(),
  host: z.string().optional(),
  port: z.int().min(0).max(65_535).optional(),
  blockMillis: z.number().positive().optional(),
  beaconPeriodSeconds: z.int().positive().optional(),
  manual: z.boolean().optional(),
  finalityLag: z.int().positive().optional(),
  pruneAfterBlocks: z.int().positive().optional(),
  poolLimit: z.int().positive().optional(),
  poolChecks: z.boolean().optional(),
  poolBanMillis: z.number().nonnegative().optional(),
  broadcasts: z.boolean().optional(),
  permitsByStake: z.boolean().optional(),
});

/** A chain's options as a JSON file; every mistake of the file is in the error's message. */
export async function readConfigFile(path: string): Promise<DevChainOptions> {
  const parsed = configSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!parsed.success) throw new Error(`${path}:\n${z.prettifyError(parsed.error)}`);
  return withoutUndefined(parsed.data);
}

/** Optional options are absent, not undefined. */
function withoutUndefined(config: z.infer<typeof configSchema>): DevChainOptions {
  return { ...present(config), netuid: config.netuid, neurons: config.neurons };
}
