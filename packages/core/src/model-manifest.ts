import { z } from "zod";

const modelFile = z.strictObject({
  /** File name in the version's folder. */
  name: z.string(),
  bytes: z.int().positive(),
  sha256: z.string(),
});

/**
 * One version of the global model: `versions/<n>/manifest.json`.
 *
 * `shared` (everything that is not a routed expert) and one file per expert group make up the model; `full` is the
 * same tensors in one file, for validators that fetch it whole.
 */
export const modelManifestSchema = z.strictObject({
  schema: z.literal(1),
  version: z.int().nonnegative(),
  /** Version this one was merged from; null for the one that was imported. */
  parent: z.int().nonnegative().nullable(),
  cycle: z.int().nonnegative().nullable(),
  block: z.int().nonnegative().nullable(),
  shared: modelFile,
  groups: z.array(modelFile.extend({ group: z.int().nonnegative() })),
  full: modelFile,
  /** SHA-256 over the digests above in order, one per line: names the version's content. */
  digest: z.string(),
});
export type ModelManifest = z.infer<typeof modelManifestSchema>;
