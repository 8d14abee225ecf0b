import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError, readJson } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { ComposedFile } from "@assay/checkpoint/store/composed-file";
import { stampOf } from "@assay/checkpoint/store/imported-model";
import { type OfferedChunks, offeredChunksSchema } from "@assay/core/merging/exchange/exchange-files";
import type { Sha256Hex } from "@assay/core/units";
import { fileIdentity } from "./chain-view-file.ts";

/** A small file as it was read. */
export interface ShownFile {
  readonly bytes: Uint8Array;
  readonly sha256: Sha256Hex;
}

type Offered = ReadonlyMap<Sha256Hex, OfferedChunks["chunks"][number]>;

/**
 * What the evaluator shows of its merges, read again whenever a file was replaced. Of one cycle at a time: a merge that
 * is over is asked for rarely.
 */
export class ExchangeFiles {
  readonly #layout: CheckpointLayout;
  readonly #statements: Remembered<ShownFile>;
  readonly #offered: Remembered<Offered>;

  constructor(layout: CheckpointLayout) {
    this.#layout = layout;
    this.#statements = new Remembered(readShown, NOTHING_SHOWN);
    this.#offered = new Remembered(readOffered, new Map());
  }

  /** The statements of a cycle; an empty list where there are none. */
  async statements(cycle: number): Promise<ShownFile> {
    return await this.#statements.at(this.#layout.shownStatements(cycle));
  }

  /** Bytes that are offered in a cycle by their digest; null when they are not, or no longer. */
  async chunk(cycle: number, digest: Sha256Hex): Promise<ComposedFile | null> {
    const offered = (await this.#offered.at(this.#layout.offeredChunks(cycle))).get(digest);
    if (offered === undefined) return null;
    const path = join(this.#layout.exchangeFolder(cycle), offered.path);
    const stamp = await stampOf(path);
    const { offset, bytes: length } = offered;
    if (stamp === null || stamp.bytes < offset + length) return null;
    return new ComposedFile([{ path, offset, length }], new Map([[path, stamp]]));
  }
}

const NOTHING_SHOWN: ShownFile = shown(new TextEncoder().encode('{"statements":[]}'));

/** A file's content as long as the file is the same. */
class Remembered<Content> {
  readonly #read: (path: string) => Promise<Content>;
  readonly #absent: Content;
  #known: { readonly path: string; readonly identity: string; readonly content: Promise<Content> } | null = null;

  constructor(read: (path: string) => Promise<Content>, absent: Content) {
    this.#read = read;
    this.#absent = absent;
  }

  async at(path: string): Promise<Content> {
    const identity = await fileIdentity(path);
    if (identity === null) return this.#absent;
    if (this.#known?.path === path && this.#known.identity === identity) return await this.#known.content;
    const known = { path, identity, content: this.#read(path) };
    this.#known = known;
    try {
      return await known.content;
    } catch (error) {
      if (this.#known === known) this.#known = null;
      if (isSystemError(error, "ENOENT")) return this.#absent;
      throw error;
    }
  }
}

async function readShown(path: string): Promise<ShownFile> {
  return shown(await readFile(path));
}

function shown(bytes: Uint8Array): ShownFile {
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

async function readOffered(path: string): Promise<Offered> {
  const offered = await readJson(path, offeredChunksSchema, CheckpointErrorCode.ManifestInvalid);
  return new Map(offered?.chunks.map((chunk) => [chunk.sha256, chunk]));
}
