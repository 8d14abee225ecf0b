import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError, withFile } from "@assay/checkpoint/atomic-write";
import { readExactly } from "@assay/checkpoint/safetensors/header";
import type { Sha256Hex } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { BadLineReason } from "./text-lines.ts";
import { TokenList, type TokenWidth } from "./token-list.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A whole file of text as tokens. */
export interface TokenisedText {
  readonly documents: number;
  readonly badLines: Readonly<Record<BadLineReason, number>>;
  readonly tokens: TokenList;
}

/** What tokens follow from. */
export interface TokenCacheKey {
  readonly sha256: Sha256Hex;
  readonly tokenizer: Pick<Tokenizer, "digest" | "separator">;
}

/** What stands behind the tokens in a file. */
type Description = Omit<TokenisedText, "tokens"> & { readonly tokens: number; readonly width: TokenWidth };

/**
 * Token ids on disk, so that a text is tokenised once and not by every process after every start.
 *
 * A file holds the ids (16 or 32 bits, little-endian), what was counted (JSON), that JSON's length (32 bits), and the
 * SHA-256 of all that. It appears whole, and any number of processes may write it. One that is damaged or another user's,
 * or a folder that cannot be used, costs time and nothing else. The folder may be emptied at any moment.
 */
export class TokenCache {
  readonly #directory: string;
  readonly #logger: Pick<Logger, "debug">;

  constructor({ logger }: { readonly logger: Pick<Logger, "debug"> }, directory: string) {
    this.#logger = logger;
    this.#directory = directory;
  }

  /** Null when there is none that is whole. */
  async read(key: TokenCacheKey): Promise<TokenisedText | null> {
    const path = this.#pathOf(key);
    try {
      return await withFile(path, "r", readWhole);
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return null;
      this.#logger.debug("Cached tokens cannot be used", { path, reason: reasonOf(error) });
      return null;
    }
  }

  async write(key: TokenCacheKey, text: TokenisedText): Promise<void> {
    const path = this.#pathOf(key);
    const temporary = `${path}.${randomUUID()}.tmp`;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await this.#removeAbandoned();
      await withFile(temporary, "wx", (file) => writeWhole(file, text));
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      this.#logger.debug("Tokens cannot be cached", { path, reason: reasonOf(error) });
    }
  }

  #pathOf({ sha256, tokenizer: { digest, separator } }: TokenCacheKey): string {
    const key = createHash("sha256")
      .update(JSON.stringify([RULES, sha256, digest, separator]))
      .digest("hex");
    return join(this.#directory, `${key}.tokens`);
  }

  /** Leaves no unfinished file of a process that was killed; a running one writes to its file all the time. */
  async #removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.endsWith(".tmp")) continue;
      const { mtimeMs } = await stat(join(this.#directory, name));
      if (Date.now() - mtimeMs > ABANDONED_MILLIS) await rm(join(this.#directory, name), { force: true });
    }
  }
}

/** Changes with the rule by which lines become tokens, or with the form of the files. */
const RULES = "1";
const ABANDONED_MILLIS = 3_600_000;
const FOOTER_BYTES = 4 + 32;
const MAX_DESCRIPTION_BYTES = 4096;

async function readWhole(file: FileHandle): Promise<TokenisedText> {
  const { size, uid } = await file.stat();
  if (uid !== process.getuid?.()) throw new Error("another user's");
  const footer = Buffer.alloc(FOOTER_BYTES);
  if (size < FOOTER_BYTES) throw new Error("too short");
  await readExactly(file, footer, size - FOOTER_BYTES);
  const jsonBytes = footer.readUInt32LE(0);
  const tokenBytes = size - FOOTER_BYTES - jsonBytes;
  if (jsonBytes > MAX_DESCRIPTION_BYTES || tokenBytes < 0) throw new Error("no description");
  const json = await readExactly(file, Buffer.alloc(jsonBytes), tokenBytes);
  const description = JSON.parse(new TextDecoder().decode(json)) as Description;
  if (description.tokens * description.width !== tokenBytes) throw new Error("another length");
  const hash = createHash("sha256");
  let position = 0;
  const tokens = await TokenList.restore({ width: description.width, length: description.tokens }, async (bytes) => {
    hash.update(await readExactly(file, bytes, position));
    position += bytes.length;
  });
  const digest = hash.update(json).update(footer.subarray(0, 4)).digest();
  if (!digest.equals(footer.subarray(4))) throw new Error("another digest");
  return { documents: description.documents, badLines: description.badLines, tokens };
}

async function writeWhole(file: FileHandle, { documents, badLines, tokens }: TokenisedText): Promise<void> {
  const description: Description = { documents, badLines, tokens: tokens.length, width: tokens.width };
  const json = Buffer.from(JSON.stringify(description));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const hash = createHash("sha256");
  for (const bytes of [...tokens.bytes(), json, length]) {
    hash.update(bytes);
    await file.writeFile(bytes);
  }
  await file.writeFile(hash.digest());
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
