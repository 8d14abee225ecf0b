import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { merkleTreeRoot } from "./hash/merkle-tree.ts";
import type { ExpertGroup, Sha256Hex } from "./units.ts";

/** Length of every chunk of a file but the last. Changing it changes every chunk's digest, and every root. */
export const CHUNK_BYTES: number = 4 << 20;

/** A file of a version and the chunks that it consists of, in order. */
export interface ChunkedFile {
  /** Name in the version's manifest. */
  readonly name: string;
  /** Null for what is not one group's. */
  readonly expert_group: ExpertGroup | null;
  readonly bytes: number;
  readonly sha256: Sha256Hex;
  /** SHA-256 of each chunk. */
  readonly chunks: readonly Sha256Hex[];
}

/** What `GET /model/manifest` answers: every file of a version as chunks that can be fetched one by one. */
export interface ChunkList {
  readonly schema: 1;
  /** `step_<version>`. */
  readonly model_version: string;
  /** Digest of the version's manifest. */
  readonly model_digest: Sha256Hex;
  readonly chunk_bytes: number;
  /** {@link merkleRoot} of `files`. */
  readonly merkle_root: Sha256Hex;
  readonly files: readonly ChunkedFile[];
}

/**
 * One digest for all files of a version and all of their chunks.
 *
 * The tree hash of RFC 6962 §2.1 over these leaves: for each file its name, length and SHA-256, a line feed between
 * them, as UTF-8; then the 32 bytes of each of its chunks' digests.
 */
export function merkleRoot(files: readonly Omit<ChunkedFile, "expert_group">[]): Sha256Hex {
  const leaves = files.flatMap(({ name, bytes, sha256: digest, chunks }) => [
    utf8ToBytes(`${name}\n${bytes}\n${digest}`),
    ...chunks.map(hexToBytes),
  ]);
  return merkleTreeRoot(leaves);
}

/**
 * Reads a {@link ChunkList} from a stranger.
 *
 * @returns null unless it is well formed, every file has as many chunks as its length asks for, and the root is theirs.
 */
export function parseChunkList(value: unknown): ChunkList | null {
  const parsed = chunkListSchema.safeParse(value);
  if (!parsed.success) return null;
  const list = parsed.data;
  const isWhole = list.files.every(({ bytes, chunks }) => chunks.length === Math.ceil(bytes / list.chunk_bytes));
  return isWhole && merkleRoot(list.files) === list.merkle_root ? list : null;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Larger chunks would not fit the memory that a client sets aside for one. */
const MAX_CHUNK_BYTES = 64 << 20;

/** The shape of a {@link ChunkList}. {@link parseChunkList} looks at what a shape cannot say as well. */
export const chunkListSchema: z.ZodType<ChunkList> = z.object({
  schema: z.literal(1),
  model_version: z.string().max(64),
  model_digest: digest,
  chunk_bytes: z.int().positive().max(MAX_CHUNK_BYTES),
  merkle_root: digest,
  files: z
    .array(
      z.object({
        name: z.string().max(256),
        expert_group: z.int().nonnegative().nullable(),
        bytes: z.int().positive(),
        sha256: digest,
        chunks: z.array(digest),
      }),
    )
    .max(4096),
});
