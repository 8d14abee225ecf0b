import { z } from "zod";
import type { BlockNumber, ExpertGroup, ModelVersion, Sha256Hex } from "./units.ts";

/** One file of a version. */
export interface ModelFile extends NamedBytes {
  readonly sha256: Sha256Hex;
}

/** The file of all tensors. Its digest names nothing, so a version is there before the whole model has been hashed. */
export interface FullFile extends NamedBytes {
  /** Null until it is known. */
  readonly sha256: Sha256Hex | null;
}

interface NamedBytes {
  /** Name under which it is served. */
  readonly name: string;
  readonly bytes: number;
}

/** The file of all tensors, if its digest is known. */
export function knownFull({ sha256, ...full }: FullFile): ModelFile | null {
  return sha256 === null ? null : { ...full, sha256 };
}

/**
 * One version of the global model: `versions/<n>/manifest.json`.
 *
 * `shared` (everything that belongs to no expert group) and one file per group make up the model; `full` is the same
 * tensors in one file, for validators that fetch it whole. None of them need lie on a disk as it is served: its bytes
 * are a header and ranges of the imported model's files and of the groups' files that merges wrote.
 */
export interface ModelManifest {
  readonly schema: 3;
  readonly version: ModelVersion;
  /** Version this one was merged from; null for the one that was imported, and for one that others made. */
  readonly parent: ModelVersion | null;
  readonly cycle: number | null;
  readonly block: BlockNumber | null;
  /** Names the imported model whose files the version reads. */
  readonly model: Sha256Hex;
  readonly shared: ModelFile;
  readonly groups: readonly GroupFile[];
  readonly full: FullFile;
  /** SHA-256 over the digests of `shared` and the groups in order, one per line: names the version's content. */
  readonly digest: Sha256Hex;
}

/** The file of one expert group. */
export interface GroupFile extends ModelFile {
  readonly group: ExpertGroup;
  /** Whether its bytes are still the imported model's, or lie in `objects/<sha256>` since a merge. */
  readonly storage: "model" | "object";
}

const modelFile = z.strictObject({
  name: z.string(),
  bytes: z.int().positive(),
  sha256: z.string(),
});

/** Reads {@link ModelManifest} and refuses anything else, unknown keys too. */
export const modelManifestSchema: z.ZodType<ModelManifest> = z.strictObject({
  schema: z.literal(3),
  version: z.int().nonnegative(),
  parent: z.int().nonnegative().nullable(),
  cycle: z.int().nonnegative().nullable(),
  block: z.int().nonnegative().nullable(),
  model: z.string(),
  shared: modelFile,
  groups: z.array(modelFile.extend({ group: z.int().nonnegative(), storage: z.enum(["model", "object"]) })),
  full: modelFile.extend({ sha256: z.string().nullable() }),
  digest: z.string(),
});
