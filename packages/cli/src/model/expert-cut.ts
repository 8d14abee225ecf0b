import { dirname } from "node:path";
import { readExpertGroups } from "@assay/checkpoint/model/assignment-files";
import type { ExpertGroups } from "@assay/checkpoint/model/expert-groups";
import type { Network } from "@assay/core/network";
import { usageError } from "../cli-error.ts";
import type { OptionRule } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { networkFile, readNetwork } from "../operator/network.ts";

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
  if (options.has("assignment")) {
    const rule = { assignments: assignmentFiles(options.texts("assignment")), unassigned: unassigned ?? "refuse" };
    return { groups: await readExpertGroups(rule, "."), network: null };
  }
  const name = options.text("network");
  if (name === null) return { groups: options.wholeNumber("groups", { minimum: 1 }), network: null };
  const network = readNetwork(name);
  return { groups: await readExpertGroups(network.expertGroups, dirname(networkFile(name))), network };
}

/** By group: each file's own, as in `2=FILE`, or its place among the files. */
function assignmentFiles(given: readonly string[]): Readonly<Record<string, string>> {
  const files = new Map<number, string>();
  for (const [index, text] of given.entries()) {
    const [, group = String(index), file = text] = /^(\d+)=(.+)$/s.exec(text) ?? [];
    if (files.has(Number(group))) throw usageError(`--assignment names group ${Number(group)} twice`);
    files.set(Number(group), file);
  }
  return Object.fromEntries(files);
}
