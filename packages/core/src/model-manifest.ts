import { z } from "zod";
import type { BlockNumber, ExpertGroup, ModelVersion, Sha256Hex } from "./units.ts";

/** One file of a version. */
export interface ModelFile {
  /** File name in the version's folder. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: Sha256Hex;
}

/**
 * One version of the global model: `versions/<n>/manifest.json`.
 *
 * `shared` (everything that is not a routed expert) and one file per expert group make up the model; `full` is the
 * same tensors in one file, for validators that fetch it whole.
 */
export interface ModelManifest {
  readonly schema: 1;
  readonly version: ModelVersion;
  /** Version this one was merged from; null for the one that was imported. */
  readonly parent: ModelVersion | null;
  readonly cycle: number | null;
  readonly block: BlockNumber | null;
  readonly shared: ModelFile;
  readonly groups: readonly (ModelFile & { readonly group: ExpertGroup })[];
  readonly full: ModelFile;
  /** SHA-256 over the digests above in order, one per line: names the version's content. */
  readonly digest: Sha256Hex;
}

const modelFile = z.strictObject({
  name: z.string(),
  bytes: z.int().positive(),
  sha256: z.string(),
});

/** Reads {@link ModelManifest} and refuses anything else, unknown keys too. */
export const modelManifestSchema: z.ZodType<ModelManifest> = z.strictObject({
  schema: z.literal(1),
  version: z.int().nonnegative(),
  parent: z.int().nonnegative().nullable(),
  cycle: z.int().nonnegative().nullable(),
  block: z.int().nonnegative().nullable(),
  shared: modelFile,
  groups: z.array(modelFile.extend({ group: z.int().nonnegative() })),
  full: modelFile,
  digest: z.string(),
});
