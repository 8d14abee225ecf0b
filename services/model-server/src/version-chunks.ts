import { createHash } from "node:crypto";
import { chunkDigests } from "@assay/checkpoint/store/chunk-digests";
import { ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { VersionParts } from "@assay/checkpoint/store/version-parts";
import { CHUNK_BYTES, type ChunkedFile, type ChunkList, merkleRoot } from "@assay/core/chunk-list";
import { knownFull, type ModelFile, type ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";

/** Which file of a version a chunk belongs to; its own bytes. */
export interface ChunkPlace {
  readonly part: "shared" | "group" | "full";
  /** Null for what is not one group's. */
  readonly group: ExpertGroup | null;
  readonly content: ComposedFile;
}

/** A version as chunks. */
export interface VersionChunks {
  readonly list: ChunkList;
  /** The list as it is sent, with its digest. */
  readonly json: { readonly content: ComposedFile; readonly sha256: Sha256Hex };
  /** Every file that has a chunk with this digest, once each; none when no file has. */
  readonly find: (digest: Sha256Hex) => readonly ChunkPlace[];
}

/** The digests of files' chunks by the files' own digests: what a merge left alone is not hashed again. */
export type KnownChunks = Map<Sha256Hex, readonly Sha256Hex[]>;

/**
 * Hashes every file of a version whose own digest is known, chunk by chunk, but those whose chunks are known already.
 *
 * @param known gets each file that was hashed, also when the signal ends the rest.
 */
export async function hashChunks(
  manifest: ModelManifest,
  parts: VersionParts,
  known: KnownChunks,
  signal: AbortSignal,
): Promise<VersionChunks> {
  const files: (ChunkedFile & { readonly place: ChunkPlace })[] = [];
  for (const { entry, ...place } of placesOf(manifest, parts)) {
    const { name, bytes, sha256 } = entry;
    const chunks = known.get(sha256) ?? (await chunkDigests(place.content, CHUNK_BYTES, signal));
    known.set(sha256, chunks);
    files.push({ name, expert_group: place.group, bytes, sha256, chunks, place });
  }
  const list: ChunkList = {
    schema: 1,
    model_version: `step_${manifest.version}`,
    model_digest: manifest.digest,
    chunk_bytes: CHUNK_BYTES,
    merkle_root: merkleRoot(files),
    files: files.map(({ place: _place, ...file }) => file),
  };
  const bytes = Buffer.from(JSON.stringify(list));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { list, json: { content: new ComposedFile([bytes], new Map()), sha256 }, find: finder(files) };
}

/** What {@link hashChunks} of the next version need not hash. */
export function knownChunks({ list }: VersionChunks): KnownChunks {
  return new Map(list.files.map(({ sha256, chunks }) => [sha256, chunks]));
}

type PlaceOfFile = ChunkPlace & { readonly entry: ModelFile };

function placesOf(manifest: ModelManifest, parts: VersionParts): readonly PlaceOfFile[] {
  const groups = manifest.groups.flatMap((entry): readonly PlaceOfFile[] => {
    const content = parts.groups.get(entry.group);
    return content === undefined ? [] : [{ part: "group", group: entry.group, content, entry }];
  });
  const shared = { part: "shared", group: null, content: parts.shared, entry: manifest.shared } as const;
  const entry = knownFull(manifest.full);
  if (entry === null) return [shared, ...groups];
  return [shared, ...groups, { part: "full", group: null, content: parts.full, entry }];
}

function finder(files: readonly (ChunkedFile & { readonly place: ChunkPlace })[]): VersionChunks["find"] {
  const found = new Map<Sha256Hex, Map<ChunkPlace, number>>();
  for (const { chunks, place } of files) {
    for (const [index, digest] of chunks.entries()) {
      const places = found.get(digest) ?? new Map<ChunkPlace, number>();
      found.set(digest, places.set(place, index));
    }
  }
  return (digest) =>
    [...(found.get(digest) ?? [])].map(([place, index]) => {
      const start = index * CHUNK_BYTES;
      const end = Math.min(start + CHUNK_BYTES, place.content.bytes);
      return { ...place, content: place.content.slice({ start, end }) };
    });
}
