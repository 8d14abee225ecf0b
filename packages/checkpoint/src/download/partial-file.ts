import { rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { isSystemError, readJson, syncFile, syncFolder, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointErrorCode } from "../checkpoint-error.ts";

/** Which bytes a partial file is the beginning of. */
export interface PartialSource {
  /** Strong entity tag; null when the server gave none, so that the bytes cannot be continued. */
  readonly etag: string | null;
  /** Length of the whole file; null when the server did not say. */
  readonly total: number | null;
}

/** What lies on disk of a download that has not finished. */
export interface Progress extends PartialSource {
  readonly bytes: number;
}

/** `<path>.part` and what it is a part of, `<path>.part.json`. One download at a time may use a path. */
export class PartialFile {
  readonly path: string;
  readonly #target: string;
  readonly #url: string;

  constructor(target: string, url: string) {
    this.path = `${target}.part`;
    this.#target = target;
    this.#url = url;
  }

  /** What can be continued: nothing, unless it came from the same URL with a strong entity tag. */
  async progress(): Promise<Progress> {
    const record = await readJson(this.#record, recordSchema, CheckpointErrorCode.ManifestInvalid);
    const bytes = await this.bytes();
    if (record === null || record.url !== this.#url || record.etag === null) return NOTHING;
    if (record.total !== null && bytes > record.total) return NOTHING;
    return { etag: record.etag, total: record.total, bytes };
  }

  /** Bytes on disk. */
  async bytes(): Promise<number> {
    try {
      return (await stat(this.path)).size;
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return 0;
      throw error;
    }
  }

  /** Forgets the bytes and remembers what the ones to come are a part of. */
  async restart(source: PartialSource): Promise<void> {
    await this.discard();
    await writeJsonAtomic(this.#record, { url: this.#url, etag: source.etag, total: source.total });
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#record, { force: true });
  }

  /** Gives the complete file its name, synced. */
  async finish(): Promise<void> {
    await syncFile(this.path);
    await rename(this.path, this.#target);
    await rm(this.#record, { force: true });
    await syncFolder(dirname(this.#target));
  }

  get #record(): string {
    return `${this.path}.json`;
  }
}

const NOTHING: Progress = { etag: null, total: null, bytes: 0 };

const recordSchema = z.strictObject({
  url: z.string(),
  etag: z.string().nullable(),
  total: z.int().nonnegative().nullable(),
});
