import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BatchSet } from "../loss-backend.ts";
import { tokenDigest, tokenRows, writeTokens } from "./batch-file.ts";
import type { LossesLine, Manifest } from "./protocol.ts";

/** A round has one per group, and a stage of a sequential evaluation one each. */
const MAX_BATCH_FILES = 256;

/** A folder of files that a backend reads, named by their content. Whoever opens it removes it. */
export class Scratch {
  readonly #directory: string;
  /** By the batches' key, the oldest first. */
  readonly #batches = new Map<string, LossesLine["batches"]>();
  #manifest: string | null = null;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), "assay-losses-")));
  }

  /** Writes the batches, unless they are there, and says what a request says of them. */
  async batches({ key, batches }: BatchSet): Promise<LossesLine["batches"]> {
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const rows = tokenRows(batches);
    const path = join(this.#directory, `${tokenDigest(rows)}.safetensors`);
    if (![...this.#batches.values()].some((each) => each.path === path)) await writeTokens(path, rows);
    const line = { path, sequences: [...rows.sequences], sequence_length: rows.columns - 1 };
    this.#batches.set(key, line);
    await this.#forgetOldest();
    return line;
  }

  /** Writes a manifest in place of the one before and returns its path. */
  async manifest(manifest: Manifest): Promise<string> {
    const text = JSON.stringify(manifest);
    const path = join(this.#directory, `${createHash("sha256").update(text).digest("hex")}.json`);
    if (this.#manifest !== null && this.#manifest !== path) await rm(this.#manifest, { force: true });
    this.#manifest = path;
    await writeFile(path, text);
    return path;
  }

  async remove(): Promise<void> {
    this.#batches.clear();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #forgetOldest(): Promise<void> {
    const [oldest] = this.#batches;
    if (oldest === undefined || this.#batches.size <= MAX_BATCH_FILES) return;
    const [key, { path }] = oldest;
    this.#batches.delete(key);
    if (![...this.#batches.values()].some((each) => each.path === path)) await rm(path, { force: true });
  }
}
