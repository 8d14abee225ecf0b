import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ExpertGroupsRule } from "@assay/core/network";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { type ExpertGroups, type LayerAssignments, parseLayerAssignments } from "./expert-groups.ts";

/**
 * The cut that a network's rule names, with the assignment files read.
 *
 * @param folder where the network file lies.
 * @throws CheckpointError `CHECKPOINT_ASSIGNMENT_INVALID` with the file that is missing or does not parse.
 */
export async function readExpertGroups(rule: ExpertGroupsRule, folder: string): Promise<ExpertGroups> {
  if (typeof rule === "number") return rule;
  const groups = new Map<number, LayerAssignments>();
  for (const [group, file] of Object.entries(rule.assignments)) {
    groups.set(Number(group), await readAssignment(resolve(folder, file)));
  }
  return { groups, unassigned: rule.unassigned };
}

async function readAssignment(path: string): Promise<LayerAssignments> {
  try {
    return parseLayerAssignments(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new CheckpointError(CheckpointErrorCode.AssignmentInvalid, "Expert assignment cannot be read", {
      fields: { path, why: cause instanceof Error ? cause.message : undefined },
      cause,
    });
  }
}
