import { readFile } from "node:fs/promises";
import { type Network, networkSchema } from "@assay/core/network";
import type { ExpertGroup, Netuid } from "@assay/core/units";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { MinerError, MinerErrorCode } from "./miner-error.ts";

/** What a miner does with the model it is given; all but the first earn nothing. */
export const MINER_KINDS = [
  /** Trains its experts on its group's text. */
  "honest",
  /** Submits what it was given. */
  "no_change",
  /** Trains as an honest miner of the same seed does, being the same owner's, and submits the same file. */
  "copy",
  /** Trains uphill. */
  "worse",
  /** Submits random weights of the same scale. */
  "noise",
  /** Submits weights that are not numbers. */
  "nan",
  /** Commits another hash than its file's. */
  "wrong_hash",
  /** Submits without having committed. */
  "not_committed",
  /** Submits tensors of another group. */
  "foreign_group",
  /** Commits in time and submits when Submission is over. */
  "late",
] as const;
export type MinerKind = (typeof MINER_KINDS)[number];

/** A miner's configuration file, JSON. */
export interface MinerSettings {
  /** Secret URI of the hotkey, for example `//Miner//3`. */
  readonly uri: string;
  readonly kind: MinerKind;
  readonly group: ExpertGroup;
  /** Training steps per cycle, for kinds that train. */
  readonly strength: number;
  /** Serve the file and submit its URL, instead of uploading it. */
  readonly pull: boolean;
  readonly netuid: Netuid;
  readonly chainEndpoint: string;
  readonly modelServerUrl: string;
  readonly authToken: string;
  /** Model servers of other validators, which get the same submission; none when not given. */
  readonly submitAlsoTo?: readonly { readonly modelServerUrl: string; readonly authToken: string }[] | undefined;
  /** Folder of this miner's files; created if missing. */
  readonly workDirectory: string;
  /** YAML file with the network's rules: the schedule and the number of expert groups. */
  readonly networkFile: string;
  readonly seed: number;
}

export interface MinerConfig extends MinerSettings {
  readonly network: Network;
  /** Number of the network's groups, which are equal runs of experts: no other cut can be trained here. */
  readonly groups: number;
}

const natural = z.int().nonnegative();
const text = z.string().min(1);
const settingsSchema: z.ZodType<MinerSettings> = z.strictObject({
  uri: text,
  kind: z.enum(MINER_KINDS),
  group: natural,
  strength: natural,
  pull: z.boolean(),
  netuid: natural,
  chainEndpoint: text,
  modelServerUrl: z.url(),
  authToken: text,
  submitAlsoTo: z.array(z.strictObject({ modelServerUrl: z.url(), authToken: text })).optional(),
  workDirectory: text,
  networkFile: text,
  seed: natural,
});

/**
 * Reads a miner's configuration and the network file that it names.
 *
 * @throws MinerError `MINER_CONFIG_INVALID` naming every field that is missing, unknown or wrong.
 */
export async function loadMinerConfig(path: string): Promise<MinerConfig> {
  const settings = checked(settingsSchema, await readParsed(path, JSON.parse), path);
  const network = checked(networkSchema, await readParsed(settings.networkFile, parseYaml), settings.networkFile);
  const { expertGroups: groups } = network;
  if (typeof groups !== "number") throw invalid(settings.networkFile, "expertGroups: miners here know equal runs only");
  if (settings.group < groups) return { ...settings, network, groups };
  throw invalid(path, `group: there are ${groups} groups, counted from 0`);
}

async function readParsed(path: string, parse: (content: string) => unknown): Promise<unknown> {
  try {
    return parse(await readFile(path, "utf8"));
  } catch (error) {
    throw invalid(path, error instanceof Error ? error.message : String(error));
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "file"}: ${issue.message}`);
  throw invalid(path, problems.join("; "));
}

function invalid(path: string, problems: string): MinerError {
  return new MinerError(MinerErrorCode.ConfigInvalid, "The configuration is not valid", { fields: { path, problems } });
}
