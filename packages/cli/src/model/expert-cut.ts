import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type ExpertGroups, type LayerAssignments, parseLayerAssignments } from "@assay/checkpoint/model/expert-groups";
import { type Network, networkSchema } from "@assay/core/network";
import type { ExpertGroup } from "@assay/core/units";
import { ConfigError } from "@assay/runtime/config/config-error";
import { readNetworkFile } from "@assay/runtime/config/network-file";
import { usageError } from "../cli-error.ts";
import type { OptionRule } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";

/** How a person says how a model's experts are cut into groups. */
export const CUT_OPTIONS: Readonly<Record<string, OptionRule>> = {
  groups: { value: "N", doc: "cut each layer's experts into N equal groups, in order" },
  network: { value: "NAME|FILE", doc: "cut as this network says: a name in config/networks, or such a file" },
  assignment: {
    value: "FILE",
    multiple: true,
    doc: "one group's expert_assignment.json, once per group in the groups' order (or GROUP=FILE)",
  },
  unassigned: { value: "refuse|freeze", doc: "what --assignment makes of experts of no group (refuse)" },
};

/** Null where the options say nothing: a version of the store knows its groups, a folder has none. */
export interface ExpertCut {
  readonly groups: ExpertGroups | null;
  readonly network: Network | null;
}

/** @throws CliError `CLI_USAGE` if options contradict each other; errors of the files that they name. */
export async function expertCut(options: CommandOptions): Promise<ExpertCut> {
  const given = (["groups", "network", "assignment"] as const).filter((name) => options.has(name));
  if (given.length > 1) throw usageError(`Only one of ${given.map((name) => `--${name}`).join(", ")} may be given`);
  const unassigned = options.oneOf("unassigned", ["refuse", "freeze"]);
  if (unassigned !== null && !options.has("assignment")) throw usageError("--unassigned goes with --assignment");
  const network = networkOf(options);
  if (network !== null) return { groups: network.expertGroups, network };
  if (options.has("assignment")) {
    const groups = await readAssignments(options.texts("assignment"));
    return { groups: { groups, unassigned: unassigned ?? "refuse" }, network };
  }
  return { groups: options.wholeNumber("groups", { minimum: 1 }), network };
}

/** Where the networks that come with Assay lie, seen from `src` and from `dist` alike. */
const NETWORKS = fileURLToPath(new URL("../../../../config/networks/", import.meta.url));

function networkOf(options: CommandOptions): Network | null {
  const name = options.text("network");
  if (name === null) return null;
  const network = readNetworkFile(/^[\w-]+$/.test(name) ? `${NETWORKS}${name}.yaml` : name, networkSchema);
  if ("name" in network) return network;
  throw new ConfigError(network);
}

async function readAssignments(given: readonly string[]): Promise<ReadonlyMap<ExpertGroup, LayerAssignments>> {
  const groups = new Map<ExpertGroup, LayerAssignments>();
  for (const [index, text] of given.entries()) {
    const [, group = String(index), file = text] = /^(\d+)=(.+)$/s.exec(text) ?? [];
    if (groups.has(Number(group))) throw usageError(`--assignment names group ${group} twice`);
    groups.set(Number(group), parseLayerAssignments(await readJson(file)));
  }
  return groups;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw usageError(`--assignment cannot read ${file}: ${error instanceof Error ? error.message : error}`);
  }
}
