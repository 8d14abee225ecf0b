import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup } from "@assay/core/units";
import type { CheckpointLayout } from "../layout.ts";
import type { GroupExperts } from "../model/expert-groups.ts";
import type { ModelSource } from "../model/model-source.ts";
import { type PlacedTensor, placedTensors, whole } from "../model/placed-tensors.ts";
import { tensorBytes } from "../safetensors/dtype.ts";
import { encodeHeader, inCanonicalOrder } from "../safetensors/write.ts";
import { ComposedFile, type FileRange, type Segment } from "./composed-file.ts";
import type { FileStamp } from "./imported-model.ts";
import { requireObject, type StoredObject } from "./objects.ts";

/** The files that a version is handed out as. */
export interface VersionParts {
  /** Everything that belongs to no group, also experts of no group. */
  readonly shared: ComposedFile;
  readonly groups: ReadonlyMap<ExpertGroup, ComposedFile>;
  readonly full: ComposedFile;
}

/**
 * Composes the files of a version. The same tensors give the same bytes, wherever they lie.
 *
 * @param stamps of the imported model's files.
 * @throws CheckpointError `CHECKPOINT_VERSION_MISSING` when a group's object is not there as the manifest says.
 */
export async function composeParts(
  layout: CheckpointLayout,
  source: ModelSource,
  stamps: ReadonlyMap<string, FileStamp>,
  manifest: Pick<ModelManifest, "groups">,
): Promise<VersionParts> {
  const objects = new Map<ExpertGroup, StoredObject>();
  for (const file of manifest.groups) {
    if (file.storage === "object") objects.set(file.group, await requireObject(layout, file));
  }
  const known = new Map([...stamps, ...[...objects.values()].map(({ path, stamp }) => [path, stamp] as const)]);
  const compose = (tensors: ReadonlyMap<string, PlacedTensor>) => new ComposedFile(segmentsOf(tensors), known);
  const groups = new Map<ExpertGroup, ComposedFile>();
  for (const [group, { experts }] of source.groups) {
    const object = objects.get(group);
    const range = object && { path: object.path, offset: 0, length: object.stamp.bytes };
    groups.set(group, range ? new ComposedFile([range], known) : compose(placedTensors(source.experts, experts)));
  }
  const shared = [...source.shared].map(([name, place]) => [name, whole(place)] as const);
  return {
    shared: compose(new Map([...shared, ...placedTensors(source.experts, expertsOfNone(source))])),
    groups,
    full: compose(new Map([...shared, ...placedTensors(source.experts, allExperts(source))])),
  };
}

function allExperts({ experts }: ModelSource): GroupExperts {
  return new Map([...experts.layers].map(([layer, count]) => [layer, [...new Array(count).keys()]]));
}

/** The experts that belong to no group, by layer. */
export function expertsOfNone(source: ModelSource): GroupExperts {
  const owned = new Set<string>();
  for (const { experts } of source.groups.values()) {
    for (const [layer, members] of experts) for (const expert of members) owned.add(`${layer}/${expert}`);
  }
  return new Map(
    [...allExperts(source)].map(([layer, members]) => [
      layer,
      members.filter((expert) => !owned.has(`${layer}/${expert}`)),
    ]),
  );
}

/** A canonical file: its header, then the tensors' bytes; ranges that follow each other in a file become one. */
function segmentsOf(tensors: ReadonlyMap<string, PlacedTensor>): readonly Segment[] {
  const ordered = inCanonicalOrder([...tensors].map(([name, tensor]) => ({ name, ...tensor })));
  const ranges: FileRange[] = [];
  for (const { blocks } of ordered) {
    for (const block of blocks) {
      const length = tensorBytes(block);
      const last = ranges.at(-1);
      const follows = last?.path === block.path && last.offset + last.length === block.offset;
      if (follows) ranges[ranges.length - 1] = { ...last, length: last.length + length };
      else ranges.push({ path: block.path, offset: block.offset, length });
    }
  }
  return [encodeHeader(ordered), ...ranges];
}
