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
import { type ExpertPlaces, modelExperts, sliceExperts } from "./expert-places.ts";
import { findModelFiles, readWeights } from "./model-folder.ts";
import { readVersionFolder } from "./version-folder.ts";

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
 *   `CHECKPOINT_ASSIGNMENT_INVALID` when they cannot be cut by `groups`; `CHECKPOINT_FILE_MALFORMED`.
 */
export async function openModelSource(path: string, options: ModelSourceOptions = {}): Promise<ModelSource> {
  const directory = resolve(path);
  const config = await readConfig(directory);
  const version = await readVersionFolder(directory);
  const tensors = version?.tensors ?? (await readWeights(await findModelFiles(directory)));
  const experts = modelExperts(tensors);
  const groups =
    version?.groups ?? (options.groups === undefined ? new Map() : assignExperts(experts.layers, options.groups));
  return {
    directory,
    config,
    shared: new Map([...tensors].filter(([name]) => expertOf(name) === null)),
    experts,
    groups: new Map([...groups].map(([group, members]) => [group, layoutOf(experts, members)])),
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

function layoutOf(places: ExpertPlaces, members: GroupExperts): GroupLayout {
  const tensors = new Map<string, TensorShape>();
  for (const [layer, experts] of members) {
    for (const expert of experts) {
      for (const [name, { dtype, shape }] of places.of(layer, expert)) {
        const stacked = expertOf(name)?.expert === null;
        tensors.set(name, { dtype, shape: stacked ? [experts.length, ...shape] : shape });
      }
    }
  }
  return { tensors, experts: members };
}

function sameShape(actual: TensorShape | undefined, expected: TensorShape): boolean {
  return actual !== undefined && actual.dtype === expected.dtype && String(actual.shape) === String(expected.shape);
}

async function readConfig(directory: string): Promise<unknown> {
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
