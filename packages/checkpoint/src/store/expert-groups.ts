import type { ExpertGroup } from "@assay/core/units";
import { z } from "zod";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";

/** Layer to pairs of (position in the group's own model, expert of the full model). */
export type LayerAssignments = ReadonlyMap<number, readonly (readonly [number, number])[]>;
/** Which experts of the full model make up each group. */
export type ExpertAssignment = ReadonlyMap<ExpertGroup, LayerAssignments>;
/** How a model is cut: a number of equal contiguous blocks of experts, or an assignment per group. */
export type ExpertGroups = number | ExpertAssignment;

/** Where a routed expert's tensor belongs. */
export interface ExpertPosition {
  readonly layer: number;
  readonly expert: number;
}

/** The routed expert that a tensor is part of; null for everything else (router, attention, shared experts, …). */
export function expertOf(name: string): ExpertPosition | null {
  const [, layer, expert] = EXPERT_TENSOR.exec(name) ?? [];
  return layer === undefined || expert === undefined ? null : { layer: Number(layer), expert: Number(expert) };
}

/**
 * The group of every tensor that belongs to one. Names that are missing in the result are shared.
 *
 * @throws CheckpointError `CHECKPOINT_ASSIGNMENT_INVALID` when the experts cannot be cut that way: they do not divide
 *   into equal blocks, an expert has two owners, or a group does not cover exactly the layers that have experts.
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when experts are stacked in one tensor.
 */
export function assignGroups(names: Iterable<string>, groups: ExpertGroups): ReadonlyMap<string, ExpertGroup> {
  const experts = new Map<string, ExpertPosition>();
  for (const name of names) {
    const position = expertOf(name);
    if (position !== null) experts.set(name, position);
    else if (STACKED_EXPERTS.test(name)) throw stacked(name);
  }
  const groupOf = typeof groups === "number" ? contiguous(experts, groups) : assigned(experts, groups);
  const result = new Map<string, ExpertGroup>();
  for (const [name, position] of experts) {
    const group = groupOf(position);
    if (group !== null) result.set(name, group);
  }
  return result;
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
  const byNumber = ([left]: readonly [number, unknown], [right]: readonly [number, unknown]) => left - right;
  const sorted = [...groups].sort(byNumber).map(([group, layers]) => [group, [...layers].sort(byNumber)]);
  return `assigned:${JSON.stringify(sorted)}`;
}

const EXPERT_TENSOR = /^model[.]layers[.](\d+)[.]mlp[.]experts[.](\d+)[.]/;
const STACKED_EXPERTS = /[.]mlp[.]experts[.]/;
const layerAssignmentsSchema = z.record(
  z.string().regex(/^\d+$/),
  z.array(z.tuple([z.int().nonnegative(), z.int().nonnegative()])).min(1),
);

type GroupOf = (position: ExpertPosition) => ExpertGroup | null;

function contiguous(experts: ReadonlyMap<string, ExpertPosition>, groups: number): GroupOf {
  const count = [...experts.values()].reduce((most, { expert }) => Math.max(most, expert + 1), 0);
  if (!Number.isSafeInteger(groups) || groups < 1 || count === 0 || count % groups !== 0) {
    throw invalid("Experts do not divide into equal groups", { experts: count, groups });
  }
  const blockLength = count / groups;
  return ({ expert }) => Math.floor(expert / blockLength);
}

function assigned(experts: ReadonlyMap<string, ExpertPosition>, assignment: ExpertAssignment): GroupOf {
  const layers = new Set([...experts.values()].map(({ layer }) => layer));
  const present = new Set([...experts.values()].map(key));
  const owners = new Map<string, ExpertGroup>();
  for (const [group, assignments] of assignment) {
    checkLayers(group, assignments, layers);
    for (const [layer, pairs] of assignments) {
      checkOwnPositions(group, layer, pairs);
      for (const [, expert] of pairs) claim(owners, present, { layer, expert }, group);
    }
  }
  return (position) => owners.get(key(position)) ?? null;
}

function checkLayers(group: ExpertGroup, assignments: LayerAssignments, layers: ReadonlySet<number>): void {
  const missing = [...layers].find((layer) => !assignments.has(layer));
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

function claim(
  owners: Map<string, ExpertGroup>,
  present: ReadonlySet<string>,
  position: ExpertPosition,
  group: ExpertGroup,
): void {
  if (!present.has(key(position))) throw invalid("The model has no such expert", { group, ...position });
  if (owners.has(key(position))) throw invalid("An expert is assigned twice", { group, ...position });
  owners.set(key(position), group);
}

function key({ layer, expert }: ExpertPosition): string {
  return `${layer}/${expert}`;
}

function invalid(message: string, fields: Readonly<Record<string, number | undefined>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.AssignmentInvalid, message, { fields });
}

function stacked(name: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelInvalid, "Experts stacked in one tensor cannot be cut apart", {
    fields: { tensor: name },
  });
}
