import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncFile } from "@assay/checkpoint/atomic-write";
import { serveRequests } from "@assay/runtime/child/serve-requests";

/** What to copy side by side, in a process of its own; then to put it on the disk, and to remove it. */
export type CopySinkRequest =
  | {
      readonly kind: "copy";
      readonly ports: readonly number[];
      /** From each. */
      readonly bytes: number;
      readonly folder: string;
      readonly withHash: boolean;
    }
  | { readonly kind: "sync" }
  | { readonly kind: "remove" };

export interface CopySinkReply {
  readonly bytes: number;
}

let copied: { readonly folder: string; readonly paths: readonly string[] } = { folder: "", paths: [] };

serveRequests<CopySinkRequest, CopySinkReply>(async (request) => {
  if (request.kind === "sync") for (const path of copied.paths) await syncFile(path);
  if (request.kind === "remove") await rm(copied.folder, { recursive: true });
  return { bytes: request.kind === "copy" ? await copyAll(request) : 0 };
});

async function copyAll({ ports, bytes, folder, withHash }: Extract<CopySinkRequest, { kind: "copy" }>) {
  await mkdir(folder, { recursive: true });
  copied = { folder, paths: ports.map((port) => join(folder, String(port))) };
  const whole = await Promise.all(
    ports.map((port) => copy({ port, bytes, path: join(folder, String(port)), withHash })),
  );
  return whole.reduce((sum, each) => sum + each, 0);
}

async function copy({
  port,
  bytes,
  path,
  withHash,
}: {
  readonly port: number;
  readonly bytes: number;
  readonly path: string;
  readonly withHash: boolean;
}): Promise<number> {
  const [response] = (await once(get({ host: "127.0.0.1", port, path: `/0-${bytes}` }), "response")) as [
    IncomingMessage,
  ];
  const file = createWriteStream(path, { flags: "wx", highWaterMark: WRITE_BYTES });
  if (!withHash) {
    await pipeline(response, file);
    return file.bytesWritten;
  }
  const hash = createHash("sha256");
  await pipeline(
    response,
    async function* hashed(pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        hash.update(piece);
        yield piece;
      }
    },
    file,
  );
  hash.digest();
  return file.bytesWritten;
}

const WRITE_BYTES = 1 << 20;
