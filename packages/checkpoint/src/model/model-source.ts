import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ExpertGroup } from "@assay/core/units";
import { isSystemError } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { TensorShape } from "../safetensors/dtype.ts";
import { limitsFor } from "../safetensors/header.ts";
import { readPlaces, type TensorPlace } from "../safetensors/tensor-place.ts";
import { assignExperts, type ExpertGroups, type GroupExperts } from "./expert-groups.ts";
import { expertOf } from "./expert-names.ts";
import { type ExpertPlaces, modelExperts, overlaidExperts, sliceExperts } from "./expert-places.ts";
import { findModelFiles, readWeights } from "./model-folder.ts";
import { placedTensors } from "./placed-tensors.ts";
import { findVersion } from "./version-folder.ts";

/** A model as it lies on disk, in as many files as there are. Only headers are read. */
export interface ModelSource {
  /** Absolute. */
  readonly directory: string;
  /** `config.json`, parsed and not checked. */
  readonly config: unknown;
  /** Everything that is not a routed expert's, by its real name; also what a text model does not use (`model.visual.…`). */
  readonly shared: ReadonlyMap<string, TensorPlace>;
  /** Every routed expert of the model, also those of no group. */
  readonly experts: ExpertPlaces;
  /** Ascending by group; empty for a folder that was opened without groups. */
  readonly groups: ReadonlyMap<ExpertGroup, GroupLayout>;
}

/** One expert group: what a submission for it consists of, and whose rows its stacked tensors hold. */
export interface GroupLayout {
  /** Exactly the tensors of a slice or submission. Stacked tensors have the group's number of experts as first dimension. */
  readonly tensors: ReadonlyMap<string, TensorShape>;
  /** By layer: the group's experts in the order of the rows of its stacked tensors. */
  readonly experts: GroupExperts;
}

export interface ModelSourceOptions {
  /** How to cut a plain folder. A version of the store knows it by itself. */
  readonly groups?: ExpertGroups;
}

/**
 * Opens a version of the store, or a plain Hugging Face folder (one `model.safetensors`, or shards and their index).
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when files are missing or experts are not what their names say;
 *   `CHECKPOINT_ASSIGNMENT_INVALID` when they cannot be cut by `groups`; `CHECKPOINT_MODEL_CHANGED` when the files that
 *   a version was imported from are not what they were; `CHECKPOINT_FILE_MALFORMED`.
 */
export async function openModelSource(path: string, { groups }: ModelSourceOptions = {}): Promise<ModelSource> {
  const directory = resolve(path);
  const config = await readConfig(directory);
  const version = await findVersion(directory);
  if (version !== null) return await assembleSource({ directory, config, ...version });
  const tensors = await readWeights(await findModelFiles(directory));
  const experts = groups === undefined ? new Map() : assignExperts(modelExperts(tensors).layers, groups);
  return await assembleSource({ directory, config, tensors, groups: experts, stored: new Map() });
}

/** What a {@link ModelSource} is made of. */
export interface SourceParts extends Pick<ModelSource, "directory" | "config"> {
  /** Every tensor of the model that was given. */
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  readonly groups: ReadonlyMap<ExpertGroup, GroupExperts>;
  /** Files of the groups that a merge changed: they stand for the model's own tensors. */
  readonly stored: ReadonlyMap<ExpertGroup, string>;
}

export async function assembleSource({
  directory,
  config,
  tensors,
  groups,
  stored,
}: SourceParts): Promise<ModelSource> {
  const given = modelExperts(tensors);
  const layouts = new Map([...groups].map(([group, experts]) => [group, layoutOf(given, experts)]));
  const slices = [];
  for (const [group, path] of stored) {
    const layout = layouts.get(group);
    if (layout === undefined) throw new RangeError(`There is no group ${group}`);
    slices.push({ members: layout.experts, places: await openSlice(path, layout) });
  }
  return {
    directory,
    config,
    shared: new Map([...tensors].filter(([name]) => expertOf(name) === null)),
    experts: overlaidExperts(given, slices),
    groups: layouts,
  };
}

/**
 * Opens a slice or an inspected submission of one group. Reads the header only.
 *
 * @throws CheckpointError `CHECKPOINT_TENSORS_DIFFER` if it does not hold exactly the group's tensors.
 */
export async function openSlice(path: string, layout: GroupLayout): Promise<Pick<ExpertPlaces, "of">> {
  const tensors = await readPlaces(resolve(path), limitsFor(layout.tensors));
  const different = [...layout.tensors].find(([name, tensor]) => !sameShape(tensors.get(name), tensor));
  if (different !== undefined || tensors.size !== layout.tensors.size) {
    throw new CheckpointError(CheckpointErrorCode.TensorsDiffer, "File does not hold the group's tensors", {
      fields: { path, tensor: different?.[0] },
    });
  }
  return sliceExperts(tensors, layout.experts);
}

function layoutOf(places: ExpertPlaces, experts: GroupExperts): GroupLayout {
  const placed = placedTensors(places, experts);
  return { tensors: new Map([...placed].map(([name, { dtype, shape }]) => [name, { dtype, shape }])), experts };
}

function sameShape(actual: TensorShape | undefined, expected: TensorShape): boolean {
  return actual !== undefined && actual.dtype === expected.dtype && String(actual.shape) === String(expected.shape);
}

/** A model folder's `config.json`. @throws CheckpointError `CHECKPOINT_MODEL_INVALID` without one that parses. */
export async function readConfig(directory: string): Promise<unknown> {
  const path = join(directory, "config.json");
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isSystemError(error, "ENOENT", "ENOTDIR")) throw error;
    throw new CheckpointError(CheckpointErrorCode.ModelInvalid, "Model folder has no config.json that parses", {
      fields: { path },
      cause: error,
    });
  }
}
