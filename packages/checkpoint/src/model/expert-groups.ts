import type { ExpertGroup } from "@assay/core/units";
import { z } from "zod";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";

/** Layer to pairs of (position in the group's own model, expert of the full model). */
export type LayerAssignments = ReadonlyMap<number, readonly (readonly [number, number])[]>;

/** Which experts of the full model make up each group. */
export interface ExpertAssignment {
  readonly groups: ReadonlyMap<ExpertGroup, LayerAssignments>;
  /** An expert of no group is a mistake, or belongs to the shared part that nobody trains. */
  readonly unassigned: "refuse" | "freeze";
}

/** How a model is cut: a number of equal contiguous blocks of experts, or an assignment. */
export type ExpertGroups = number | ExpertAssignment;

/** By layer: a group's experts in the order of the rows of its stacked tensors. */
export type GroupExperts = ReadonlyMap<number, readonly number[]>;

/**
 * The experts of every group, ascending by group.
 *
 * @param layers layers that have experts, and how many.
 * @throws CheckpointError `CHECKPOINT_ASSIGNMENT_INVALID` with the first thing that is wrong: experts that do not divide
 *   into equal blocks, a group that does not cover exactly the layers that have experts, an expert that the model lacks,
 *   has two owners, or none.
 */
export function assignExperts(
  layers: ReadonlyMap<number, number>,
  groups: ExpertGroups,
): ReadonlyMap<ExpertGroup, GroupExperts> {
  return typeof groups === "number" ? contiguous(layers, groups) : assigned(layers, groups);
}

/** Reads one group's `expert_assignment.json`: `{"<layer>": [[own, original], …]}`. */
export function parseLayerAssignments(json: unknown): LayerAssignments {
  const parsed = layerAssignmentsSchema.safeParse(json);
  if (!parsed.success) {
    throw new CheckpointError(CheckpointErrorCode.AssignmentInvalid, "Expert assignment does not parse", {
      cause: parsed.error,
    });
  }
  return new Map(Object.entries(parsed.data).map(([layer, pairs]) => [Number(layer), pairs]));
}

/** A text that is the same exactly when the model is cut the same way. */
export function describeGroups(groups: ExpertGroups): string {
  if (typeof groups === "number") return `contiguous:${groups}`;
  const sorted = [...groups.groups].sort(byNumber).map(([group, layers]) => [group, [...layers].sort(byNumber)]);
  return `assigned:${groups.unassigned}:${JSON.stringify(sorted)}`;
}

const layerAssignmentsSchema = z.record(
  z.string().regex(/^(0|[1-9]\d*)$/),
  z.array(z.tuple([z.int().nonnegative(), z.int().nonnegative()])).min(1),
);

function byNumber([left]: readonly [number, unknown], [right]: readonly [number, unknown]): number {
  return left - right;
}

function contiguous(layers: ReadonlyMap<number, number>, groups: number): ReadonlyMap<ExpertGroup, GroupExperts> {
  if (layers.size === 0) throw invalid("The model has no routed experts", { groups });
  for (const [layer, experts] of layers) {
    if (Number.isSafeInteger(groups) && groups >= 1 && experts % groups === 0) continue;
    throw invalid("Experts do not divide into equal groups", { layer, experts, groups });
  }
  const block = (experts: number, group: number) =>
    Array.from({ length: experts / groups }, (_, row) => (group * experts) / groups + row);
  return new Map(
    Array.from({ length: groups }, (_, group) => [
      group,
      new Map([...layers].map(([layer, experts]) => [layer, block(experts, group)])),
    ]),
  );
}

function assigned(
  layers: ReadonlyMap<number, number>,
  { groups, unassigned }: ExpertAssignment,
): ReadonlyMap<ExpertGroup, GroupExperts> {
  const owners = new Map<string, ExpertGroup>();
  const result = new Map<ExpertGroup, GroupExperts>();
  for (const [group, assignments] of [...groups].sort(byNumber)) {
    checkLayers(group, assignments, layers);
    const experts = new Map<number, readonly number[]>();
    for (const [layer, pairs] of [...assignments].sort(byNumber)) {
      checkOwnPositions(group, layer, pairs);
      for (const [, expert] of pairs) claim(owners, layers, { layer, expert }, group);
      const rows = [...pairs].sort(byNumber).map(([, expert]) => expert);
      experts.set(layer, rows);
    }
    result.set(group, experts);
  }
  if (unassigned === "refuse") checkEveryOwned(layers, owners);
  return result;
}

function checkLayers(group: ExpertGroup, assignments: LayerAssignments, layers: ReadonlyMap<number, number>): void {
  const missing = [...layers.keys()].find((layer) => !assignments.has(layer));
  const foreign = [...assignments.keys()].find((layer) => !layers.has(layer));
  if (missing !== undefined || foreign !== undefined) {
    throw invalid("A group must cover exactly the layers that have experts", { group, missing, foreign });
  }
}

function checkOwnPositions(group: ExpertGroup, layer: number, pairs: readonly (readonly [number, number])[]): void {
  if (new Set(pairs.map(([own]) => own)).size !== pairs.length) {
    throw invalid("A group uses one of its own positions twice", { group, layer });
  }
}

interface Place {
  readonly layer: number;
  readonly expert: number;
}

function claim(
  owners: Map<string, ExpertGroup>,
  layers: ReadonlyMap<number, number>,
  place: Place,
  group: ExpertGroup,
): void {
  if (place.expert >= (layers.get(place.layer) ?? 0))
    throw invalid("The model has no such expert", { group, ...place });
  const other = owners.get(key(place));
  if (other !== undefined) throw invalid("An expert is assigned twice", { group, other, ...place });
  owners.set(key(place), group);
}

function checkEveryOwned(layers: ReadonlyMap<number, number>, owners: ReadonlyMap<string, ExpertGroup>): void {
  for (const [layer, experts] of layers) {
    for (let expert = 0; expert < experts; expert += 1) {
      if (!owners.has(key({ layer, expert }))) throw invalid("An expert belongs to no group", { layer, expert });
    }
  }
}

function key({ layer, expert }: Place): string {
  return `${layer}/${expert}`;
}

function invalid(message: string, fields: Readonly<Record<string, number | undefined>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.AssignmentInvalid, message, { fields });
}
