import { join } from "node:path";
import type { ChunkClient } from "@assay/checkpoint/download/chunk-client";
import { heldGroupFile } from "@assay/checkpoint/store/adoption";
import type { CheckpointReader, WholeVersion } from "@assay/checkpoint/store/checkpoint-reader";
import { versionDigest } from "@assay/checkpoint/store/manifest";
import { CHUNK_BYTES, type ChunkedFile, type ChunkList } from "@assay/core/chunk-list";
import type { CommittedVersion } from "@assay/core/merging/majority-version";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { CaughtFiles } from "./caught-files.ts";

export interface WantedModel {
  readonly version: CommittedVersion;
  /** Folder for what is fetched. */
  readonly files: CaughtFiles;
  /** Called with the bytes of each chunk that was fetched. */
  readonly onFetched: (bytes: number) => void;
}

/** Every group of a version, and the files of those that no version here has. */
export interface FetchedModel {
  readonly groups: ReadonlyMap<ExpertGroup, Sha256Hex>;
  readonly groupFiles: ReadonlyMap<ExpertGroup, string>;
}

/**
 * Why a peer's list of the version that it serves is of no use to us.
 *
 * - `other_version`: it serves another one than was committed, or lies about what it consists of
 * - `other_model`: it is the version that was committed, and no version of the model that we started from
 */
export type UselessList = "other_version" | "other_model";

/**
 * Fetches a version from a peer's model server: groups that no version here has, of them the chunks that our current
 * version has not. What names the groups hashes to the committed digest, and so does what comes.
 *
 * @throws CheckpointError `CHECKPOINT_DOWNLOAD_…` for what the peer failed in. What is right is kept for the next peer.
 */
export async function fetchModel(
  { version, files, onFetched }: WantedModel,
  client: ChunkClient,
  reader: CheckpointReader,
  current: WholeVersion,
  signal: AbortSignal,
): Promise<FetchedModel | UselessList> {
  const list = await client.list(signal);
  const groups = groupsIn(list, version.digest, current.manifest);
  if (typeof groups === "string") return groups;
  const groupFiles = new Map<ExpertGroup, string>();
  for (const [group, file] of groups) {
    if ((await heldGroupFile(reader, group, file.sha256)) !== null) continue;
    const path = join(files.folder, file.name);
    groupFiles.set(group, path);
    if (await files.has(path, file.sha256, signal)) continue;
    const own = current.parts.groups.get(group);
    const older = own === undefined ? [] : [own];
    await client.fetch({ path, file, chunkBytes: list.chunk_bytes, older, onFetched }, signal);
    files.add(path, file.sha256);
  }
  return { groups: new Map([...groups].map(([group, { sha256 }]) => [group, sha256])), groupFiles };
}

/** The groups' files as the list has them, if it is the list of the committed version and one of our model. */
function groupsIn(
  { files, chunk_bytes: chunkBytes }: ChunkList,
  digest: Sha256Hex,
  { shared, groups }: ModelManifest,
): ReadonlyMap<ExpertGroup, ChunkedFile> | UselessList {
  if (chunkBytes > CHUNK_BYTES) return "other_version";
  const listed = new Map(files.map((file) => [file.name, file]));
  const found = [shared, ...groups].map(({ name }) => listed.get(name));
  if (versionDigest(found.map((file) => ({ sha256: file?.sha256 ?? "" }))) !== digest) return "other_version";
  if (listed.get(shared.name)?.sha256 !== shared.sha256) return "other_model";
  const own = groups.map(({ group, name, bytes }) => ({ group, bytes, file: listed.get(name) }));
  const fitting = own.flatMap(({ group, bytes, file }) => (file?.bytes === bytes ? [[group, file] as const] : []));
  return fitting.length === own.length ? new Map(fitting) : "other_version";
}
