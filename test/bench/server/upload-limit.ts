import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { serveRequests } from "@assay/runtime/child/serve-requests";
import { submissionPieces } from "./submission.ts";

/** Files to write at the same time into a folder. */
export interface LimitRequest {
  readonly folder: string;
  /** Of the group's values. */
  readonly bytes: number;
  readonly files: number;
}

export interface LimitReply {
  readonly seconds: number;
  /** SHA-256 of each file. */
  readonly digests: readonly string[];
}

/**
 * The least that taking submissions costs: their SHA-256, computed in one thread while the same bytes are written from
 * memory by others, and the files synced. The files are gone afterwards.
 */
serveRequests<LimitRequest, LimitReply>(async ({ folder, bytes, files }) => {
  const paths = Array.from({ length: files }, (_, index) => join(folder, `limit-${index}`));
  const started = performance.now();
  const digests = await Promise.all(paths.map((path) => writeHashed(path, bytes)));
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(paths.map((path) => rm(path)));
  return { seconds, digests };
});

async function writeHashed(path: string, bytes: number): Promise<string> {
  const file = await open(path, "wx");
  try {
    const hash = createHash("sha256");
    for (const piece of submissionPieces(bytes)) {
      const writing = file.writeFile(piece);
      hash.update(piece);
      await writing;
    }
    await file.sync();
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}
