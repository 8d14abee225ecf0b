import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ExpertGroup } from "@assay/core/units";
import { isSystemError } from "../atomic-write.ts";
import { SHARED_FILE } from "../layout.ts";
import { readPlaces, type TensorPlace } from "../safetensors/tensor-place.ts";
import type { GroupExperts } from "./expert-groups.ts";
import { expertOf } from "./expert-names.ts";

/** A version of the store: a shared file and one file per group, whose experts are told by their names. */
export interface VersionFolder {
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  readonly groups: ReadonlyMap<ExpertGroup, GroupExperts>;
}

/** The version that lies in a folder; null when it is not a version's folder. */
export async function readVersionFolder(directory: string): Promise<VersionFolder | null> {
  const names = await listFolder(directory);
  if (!names.includes(SHARED_FILE)) return null;
  const tensors = new Map(await readPlaces(join(directory, SHARED_FILE)));
  const groups = new Map<ExpertGroup, GroupExperts>();
  for (const [name, group] of groupFiles(names)) {
    const slice = await readPlaces(join(directory, name));
    groups.set(group, expertsOf(slice.keys()));
    for (const [tensor, place] of slice) tensors.set(tensor, place);
  }
  return { tensors, groups };
}

async function listFolder(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/** Ascending by group. */
function groupFiles(names: readonly string[]): readonly (readonly [string, ExpertGroup])[] {
  const files = names.flatMap((name) => {
    const [, group] = /^group-(\d+)[.]safetensors$/.exec(name) ?? [];
    return group === undefined ? [] : [[name, Number(group)] as const];
  });
  return files.sort(([, left], [, right]) => left - right);
}

function expertsOf(names: Iterable<string>): GroupExperts {
  const layers = new Map<number, Set<number>>();
  for (const name of names) {
    const position = expertOf(name);
    if (position === null || position.expert === null) continue;
    layers.set(position.layer, (layers.get(position.layer) ?? new Set()).add(position.expert));
  }
  const ascending = [...layers].sort(([left], [right]) => left - right);
  return new Map(ascending.map(([layer, experts]) => [layer, [...experts].sort((left, right) => left - right)]));
}
