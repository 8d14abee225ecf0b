import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readJson } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { chunkDigests } from "@assay/checkpoint/store/chunk-digests";
import { ComposedFile } from "@assay/checkpoint/store/composed-file";
import { stampOf } from "@assay/checkpoint/store/imported-model";
import { CHUNK_BYTES, type ChunkedFile, merkleRoot } from "@assay/core/chunk-list";
import { offeredChunksSchema } from "@assay/core/merging/exchange/exchange-files";

/** What a validator answers in place of the truth; null for "not found". */
export type Manners = (path: string, truth: Buffer | null) => Buffer | null;

/**
 * What other validators see of one by HTTP, as protocol.md §3.2 and §8.4 describe it: by somebody who need not be
 * honest. Signatures of requests are not looked at.
 */
export class PeerServer implements AsyncDisposable {
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  manners: Manners = (_path, truth) => truth;
  readonly #reader: CheckpointReader;
  readonly #server: Server;

  private constructor(reader: CheckpointReader) {
    this.#reader = reader;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(reader: CheckpointReader): Promise<PeerServer> {
    const peer = new PeerServer(reader);
    await new Promise<void>((resolve) => peer.#server.listen(0, "127.0.0.1", resolve));
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer({ url: path = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked.push(path);
    const body = this.manners(path, await this.#truth(path));
    const tag = path.split("/").at(-1);
    response.writeHead(body === null ? 404 : 200, { etag: `"${tag}"`, "content-length": body?.length ?? 0 });
    response.end(body);
  }

  async #truth(path: string): Promise<Buffer | null> {
    const [, area, second, third, digest] = path.split("/");
    if (area === "merge" && third === "statements") return await statements(this.#reader, Number(second));
    if (area === "merge") return await offered(this.#reader, Number(second), digest ?? "");
    const files = await chunkedFiles(this.#reader);
    if (second === "manifest") return Buffer.from(JSON.stringify(await listOf(this.#reader, files)));
    for (const { chunks, content } of files) {
      const start = chunks.indexOf(third ?? "") * CHUNK_BYTES;
      const end = Math.min(start + CHUNK_BYTES, content.bytes);
      if (start >= 0) return await bytesOf(content.slice({ start, end }));
    }
    return null;
  }
}

type FileWithContent = ChunkedFile & { readonly content: ComposedFile };

async function chunkedFiles(reader: CheckpointReader): Promise<readonly FileWithContent[]> {
  const { manifest, parts } = await reader.whole((await reader.current())?.version ?? 0);
  const places = [
    { ...manifest.shared, expert_group: null, content: parts.shared },
    ...manifest.groups.map(({ group, ...file }) => ({
      ...file,
      expert_group: group,
      content: parts.groups.get(group) as ComposedFile,
    })),
  ];
  return await Promise.all(
    places.map(async ({ name, bytes, sha256, expert_group, content }) => {
      return { name, bytes, sha256, expert_group, content, chunks: await chunkDigests(content, CHUNK_BYTES) };
    }),
  );
}

async function listOf(reader: CheckpointReader, files: readonly FileWithContent[]) {
  const current = await reader.current();
  return {
    schema: 1,
    model_version: `step_${current?.version}`,
    model_digest: current?.digest,
    chunk_bytes: CHUNK_BYTES,
    merkle_root: merkleRoot(files),
    files: files.map(({ content: _, ...file }) => file),
  };
}

async function statements({ layout }: CheckpointReader, cycle: number): Promise<Buffer> {
  return await readFile(layout.shownStatements(cycle)).catch(() => Buffer.from('{"statements":[]}'));
}

async function offered({ layout }: CheckpointReader, cycle: number, digest: string): Promise<Buffer | null> {
  const all = await readJson(layout.offeredChunks(cycle), offeredChunksSchema, CheckpointErrorCode.ManifestInvalid);
  const found = all?.chunks.find(({ sha256 }) => sha256 === digest);
  if (found === undefined) return null;
  const path = join(layout.exchangeFolder(cycle), found.path);
  const stamp = await stampOf(path);
  if (stamp === null) return null;
  const range = { path, offset: found.offset, length: found.bytes };
  return await bytesOf(new ComposedFile([range], new Map([[path, stamp]])));
}

async function bytesOf(content: ComposedFile): Promise<Buffer> {
  const bytes = Buffer.alloc(content.bytes);
  const file = content.open();
  try {
    await file.fill(bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}
