import { createHash } from "node:crypto";
import { type ModelFile, type ModelManifest, modelManifestSchema } from "@assay/core/model-manifest";
import type { ModelVersion, Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { readJson } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { CheckpointLayout } from "../layout.ts";
import { storeOutdated } from "./old-store.ts";

/** A version's parts without what is computed from them. */
export type ManifestParts = Omit<ModelManifest, "schema" | "digest">;

/** Completes a manifest with the digest over its files. */
export function completeManifest(parts: ManifestParts): ModelManifest {
  const groups = [...parts.groups].sort((left, right) => left.group - right.group);
  return { ...parts, groups, schema: 3, digest: versionDigest(namingFiles({ ...parts, groups })) };
}

/** The files that make up a version; the full one follows from them. */
function namingFiles({ shared, groups }: Pick<ModelManifest, "shared" | "groups">): readonly ModelFile[] {
  return [shared, ...groups];
}

/**
 * Names a version's content: SHA-256 over its files' digests in hexadecimal, joined by line feeds.
 *
 * @param files the shared one, then the groups' in order
 */
export function versionDigest(files: readonly Pick<ModelFile, "sha256">[]): Sha256Hex {
  return createHash("sha256")
    .update(files.map(({ sha256 }) => sha256).join("\n"))
    .digest("hex");
}

/**
 * A version's manifest; null when there is no such version.
 *
 * @throws CheckpointError `CHECKPOINT_MANIFEST_INVALID` when it does not parse or its digest is not that of its files;
 *   `CHECKPOINT_STORE_OUTDATED`.
 */
export async function readManifest(layout: CheckpointLayout, version: ModelVersion): Promise<ModelManifest | null> {
  const path = layout.manifest(version);
  const read = await readJson(path, anySchema, CheckpointErrorCode.ManifestInvalid);
  if (read === null) return null;
  if (read.schema !== 3) throw storeOutdated(path);
  const manifest = read;
  if (manifest.version !== version || manifest.digest !== versionDigest(namingFiles(manifest))) {
    throw new CheckpointError(CheckpointErrorCode.ManifestInvalid, "Manifest contradicts itself", { fields: { path } });
  }
  return manifest;
}

const anySchema = z.union([modelManifestSchema, z.looseObject({ schema: z.literal([1, 2]) })]);
