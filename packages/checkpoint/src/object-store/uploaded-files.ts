import type { Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { readJson, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointErrorCode } from "../checkpoint-error.ts";

/** What of the model lies in an object store: `state/uploaded-files.json`, written by the evaluator. */
export interface UploadedFiles {
  readonly schema: 1;
  /** Which store, as `objectStoreName` has it. */
  readonly store: string;
  readonly files: readonly UploadedFile[];
  /** An upload that was begun and not ended. */
  readonly pending: { readonly sha256: Sha256Hex; readonly uploadId: string } | null;
}

export interface UploadedFile {
  readonly sha256: Sha256Hex;
  readonly bytes: number;
}

const schema: z.ZodType<UploadedFiles> = z.strictObject({
  schema: z.literal(1),
  store: z.string(),
  files: z.array(z.strictObject({ sha256: z.string(), bytes: z.int().positive() })),
  pending: z.strictObject({ sha256: z.string(), uploadId: z.string() }).nullable(),
});

/** Null before anything was uploaded. */
export async function readUploadedFiles(path: string): Promise<UploadedFiles | null> {
  return await readJson(path, schema, CheckpointErrorCode.ManifestInvalid);
}

export async function writeUploadedFiles(path: string, uploaded: UploadedFiles): Promise<void> {
  await writeJsonAtomic(path, uploaded);
}
