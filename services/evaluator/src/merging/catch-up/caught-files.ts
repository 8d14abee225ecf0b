import { mkdir, rm } from "node:fs/promises";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { sha256File } from "@assay/checkpoint/digest";
import type { Sha256Hex } from "@assay/core/units";

/** What was fetched of one version: kept from peer to peer and over a restart, each file hashed once per process. */
export class CaughtFiles {
  readonly folder: string;
  readonly #right = new Map<string, Sha256Hex>();

  constructor(folder: string) {
    this.folder = folder;
  }

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  /** Whether the file is there with this content. */
  async has(path: string, sha256: Sha256Hex, signal: AbortSignal): Promise<boolean> {
    if (this.#right.get(path) === sha256) return true;
    const actual = await sha256File(path, signal).catch((error: unknown) => {
      if (isSystemError(error, "ENOENT")) return null;
      throw error;
    });
    if (actual?.sha256 !== sha256) return false;
    this.add(path, sha256);
    return true;
  }

  /** Notes a file that was found to have this content. */
  add(path: string, sha256: Sha256Hex): void {
    this.#right.set(path, sha256);
  }

  async remove(): Promise<void> {
    this.#right.clear();
    await rm(this.folder, { recursive: true, force: true });
  }
}
