import { setTimeout } from "node:timers/promises";
import type { VersionParts } from "@assay/checkpoint/store/version-parts";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Logger } from "@assay/runtime/logging/logger";
import { displaySeconds } from "./display.ts";
import { Refusal, refuseUntil } from "./refusal.ts";
import { hashChunks, type KnownChunks, knownChunks, type VersionChunks } from "./version-chunks.ts";

/**
 * The chunks of the version that is served, hashed once and by one run however many ask.
 *
 * They are kept in memory: this process may not write beside a version, and what it would write could be computed from
 * what is there. A new version hashes only the files that the one before did not have. So does the same version when
 * the digest of its whole has become known; until that is hashed too, the list without it is given.
 */
export class ChunkIndex {
  readonly #logger: Logger;
  #current: Hashing | null = null;
  #hashed: VersionChunks | null = null;
  #known: KnownChunks = new Map();

  constructor({ logger }: { readonly logger: Logger }) {
    this.#logger = logger;
  }

  /** Begins to hash a version, and gives up the one before if that is still being hashed. */
  prepare(version: HashedVersion): Promise<VersionChunks | null> {
    if (this.#current?.version === version) {
      return this.#current.chunks;
    }
    this.#current?.stop();
    const stopping = new AbortController();
    const chunks = this.#hash(version, stopping.signal);
    this.#current = { version, chunks, stop: () => stopping.abort() };
    return chunks;
  }

  /** The chunks of a version; after a moment without them, when to come again. */
  async chunks(version: HashedVersion): Promise<VersionChunks | Refusal> {
    const preparing = this.prepare(version);
    if (this.#hashed?.list.model_digest === version.manifest.digest) {
      return this.#hashed;
    }
    const waiting = new AbortController();
    try {
      const pause = setTimeout(PATIENCE_MILLIS, PENDING, { signal: waiting.signal });
      const result = await Promise.race([preparing, pause]);
      const isSuperseded = result === null && this.#current !== null && this.#current.version !== version;
      if (result === PENDING || isSuperseded) {
        return refuseUntil(503, "chunks_pending", "The chunks of this version are still being hashed", AGAIN_SECONDS);
      }
      return result ?? new Refusal(503, "model_unavailable", "The model cannot be read", { "Retry-After": "12" });
    } finally {
      waiting.abort();
    }
  }

  async #hash(version: HashedVersion, signal: AbortSignal): Promise<VersionChunks | null> {
    const startedAt = performance.now();
    const { manifest, parts } = version;
    try {
      const chunks = await hashChunks(manifest, parts, this.#known, signal);
      this.#known = knownChunks(chunks);
      this.#hashed = chunks;
      const count = chunks.list.files.reduce((sum, file) => sum + file.chunks.length, 0);
      const time = displaySeconds(performance.now() - startedAt);
      this.#logger.info("Model hashed in chunks", { version: manifest.version, chunks: count, time });
      return chunks;
    } catch (error) {
      // The next request tries again, with whatever version there is then.
      if (this.#current?.version === version) this.#current = null;
      if (!signal.aborted) this.#logger.error("Cannot hash the chunks of the current model", {}, error);
      return null;
    }
  }
}

/** What there must be of a version to hash it. */
interface HashedVersion {
  readonly manifest: ModelManifest;
  readonly parts: VersionParts;
}

interface Hashing {
  readonly version: HashedVersion;
  readonly chunks: Promise<VersionChunks | null>;
  readonly stop: () => void;
}

const PENDING = Symbol("pending");
/** A model of a few gigabytes is hashed by then. */
const PATIENCE_MILLIS = 2_000;
const AGAIN_SECONDS = 5;
