import { stat } from "node:fs/promises";
import type { Sha256Hex } from "@assay/core/units";
import { sha256File } from "../digest.ts";

/**
 * SHA-256 of a file that is replaced and never written to again; hashed once while this process runs, under whatever
 * names the file has.
 */
export async function knownSha256(path: string, signal?: AbortSignal): Promise<Sha256Hex> {
  const identity = await identityOf(path);
  const known = digests.get(identity) ?? (await sha256File(path, signal)).sha256;
  remember(identity, known);
  return known;
}

/** Tells the digest of a file that was hashed as it was written. */
export async function rememberSha256(path: string, sha256: Sha256Hex): Promise<void> {
  remember(await identityOf(path), sha256);
}

/** The groups of a few versions, even of a model with very many. */
const MOST_KNOWN = 4096;
const digests = new Map<string, Sha256Hex>();

function remember(identity: string, sha256: Sha256Hex): void {
  digests.delete(identity);
  digests.set(identity, sha256);
  const [oldest] = digests.keys();
  if (digests.size > MOST_KNOWN && oldest !== undefined) digests.delete(oldest);
}

/** Another one for every file there is, and for the same one once it is written to. */
async function identityOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}
