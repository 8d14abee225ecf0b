import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type ChunkedFile, type ChunkList, merkleRoot } from "@assay/core/chunk-list";
import { describe, expect, onTestFinished, test } from "vitest";
import { ChunkClient, type ChunkClientOptions } from "../src/download/chunk-client.ts";
import { ComposedFile } from "../src/store/composed-file.ts";
import { type FileStamp, stampOf } from "../src/store/imported-model.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const CHUNK = 10_000;
const NEVER = new AbortController().signal;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (name: string, length: number): Buffer =>
  createHash("shake256", { outputLength: length }).update(name).digest();

/** 47,123 bytes: four chunks and a shorter one. */
const CONTENT = bytesOf("model", 47_123);

function chunked(content: Uint8Array): ChunkedFile {
  const chunks: string[] = [];
  for (let at = 0; at < content.length; at += CHUNK) chunks.push(sha256(content.subarray(at, at + CHUNK)));
  return { name: "f", expert_group: null, bytes: content.length, sha256: sha256(content), chunks };
}

/** What a server does with the request for a chunk; `n` counts requests from 1. */
type Fault = (chunk: Buffer, n: number, request: IncomingMessage, response: ServerResponse) => void;

/** As a server should: whole, or the range that is asked for under its tag. */
const honest: Fault = (chunk, _n, { headers }, response) => {
  const etag = `"${sha256(chunk)}"`;
  const begin = headers["if-range"] === etag ? Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0) : 0;
  if (begin > 0) {
    response.writeHead(206, {
      etag,
      "content-length": chunk.length - begin,
      "content-range": `bytes ${begin}-${chunk.length - 1}/${chunk.length}`,
    });
  } else {
    response.writeHead(200, { etag, "content-length": chunk.length });
  }
  response.end(chunk.subarray(begin));
};

/** Sends the first bytes of what an honest server would send, and drops the connection. */
function cut(bytes: number): Fault {
  return (chunk, n, request, response) => {
    const end = response.end.bind(response);
    response.end = ((body: Buffer) => {
      if (bytes >= body.length) return end(body);
      if (bytes === 0) response.flushHeaders();
      return response.write(body.subarray(0, bytes), () => response.socket?.destroySoon());
    }) as typeof response.end;
    honest(chunk, n, request, response);
  };
}

async function serve(fault: Fault, content: Uint8Array = CONTENT, changes: Partial<ChunkClientOptions> = {}) {
  const file = chunked(content);
  const chunks = new Map(
    file.chunks.map((digest, i) => [digest, Buffer.from(content.subarray(i * CHUNK, (i + 1) * CHUNK))]),
  );
  const requests: string[] = [];
  const list: ChunkList = {
    schema: 1,
    model_version: "step_1",
    model_digest: "ab".repeat(32),
    chunk_bytes: CHUNK,
    merkle_root: merkleRoot([file]),
    files: [file],
  };
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    if (path === "/model/manifest") return void response.end(JSON.stringify(list));
    requests.push(path.slice("/model/chunks/".length));
    const chunk = chunks.get(requests.at(-1) ?? "");
    if (chunk === undefined) return void response.writeHead(404).end();
    fault(chunk, requests.length, request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new ChunkClient({
    serverUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    headersFor: () => ({ authorization: "Bearer token" }),
    parallel: 1,
    allowPrivateAddresses: true,
    deadlineMillis: 20_000,
    stallMillis: 5_000,
    attempts: 3,
    retryMillis: 1,
    ...changes,
  });
  onTestFinished(() => {
    client[Symbol.dispose]();
    server.closeAllConnections();
    server.close();
  });
  const folder = await temporaryFolder();
  const path = join(folder, "model");
  return { client, folder, path, file, requests, list, wanted: { path, file, chunkBytes: CHUNK } };
}

describe("an honest server", () => {
  test.each([1, 4])("gives a file whose chunks came %i at a time", async (parallel) => {
    const { client, wanted, folder, requests } = await serve(honest, CONTENT, { parallel });
    expect(await client.fetch(wanted, NEVER)).toEqual({ fetchedBytes: 47_123, reusedBytes: 0 });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect([requests.length, await readdir(folder)]).toEqual([5, ["model"]]);
  });

  test("gives only the chunks that an older version has not, wherever they lie there", async () => {
    const { client, wanted, file, folder, requests } = await serve(honest);
    const older = Buffer.concat([CONTENT.subarray(20_000, 30_000), bytesOf("other", CHUNK), CONTENT.subarray(20_000)]);
    await writeFile(join(folder, "older"), older);
    const result = await client.fetch({ ...wanted, older: [join(folder, "missing"), join(folder, "older")] }, NEVER);
    expect(result).toEqual({ fetchedBytes: 20_000, reusedBytes: 27_123 });
    expect(requests).toEqual(file.chunks.slice(0, 2));
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test("takes them from a file too that lies on no disk as a whole, and says what it fetched", async () => {
    const { client, wanted, file, folder, requests } = await serve(honest);
    await writeFile(join(folder, "tensors"), CONTENT.subarray(20_000));
    const path = join(folder, "tensors");
    const stamp = (await stampOf(path)) as FileStamp;
    const parts = [new Uint8Array(CHUNK), { path, offset: 0, length: CONTENT.length - 20_000 }];
    const older = [new ComposedFile(parts, new Map([[path, stamp]]))];
    const fetched: number[] = [];
    const result = await client.fetch({ ...wanted, older, onFetched: (bytes) => fetched.push(bytes) }, NEVER);
    expect(result).toEqual({ fetchedBytes: 20_000, reusedBytes: 27_123 });
    expect([requests, fetched]).toEqual([file.chunks.slice(0, 2), [10_000, 10_000]]);
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test("is asked once for nothing when all is there, and replaces the file by name", async () => {
    const { client, wanted, requests } = await serve(honest);
    await writeFile(wanted.path, CONTENT);
    expect(await client.fetch({ ...wanted, older: [wanted.path] }, NEVER)).toEqual({
      fetchedBytes: 0,
      reusedBytes: 47_123,
    });
    expect(requests).toEqual([]);
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test("gives equal chunks once each time they are needed", async () => {
    const zeros = Buffer.alloc(3 * CHUNK);
    const { client, wanted } = await serve(honest, zeros);
    await client.fetch(wanted, NEVER);
    expect(await readFile(wanted.path)).toEqual(zeros);
  });

  test("gives a list that adds up", async () => {
    const { client, list } = await serve(honest);
    expect(await client.list(NEVER)).toEqual(list);
  });
});

describe("cuts", () => {
  test("at 100 random bytes lose none, and no byte is sent twice", async () => {
    const lengths = createHash("shake256", { outputLength: 100 }).update("cuts").digest();
    let sent = 0;
    const { client, wanted, requests } = await serve((chunk, n, request, response) => {
      const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const bytes = Math.min(1 + (lengths[n - 1] ?? CHUNK), chunk.length - begin);
      sent += bytes;
      cut(bytes)(chunk, n, request, response);
    });
    await client.fetch(wanted, NEVER);
    expect(sha256(await readFile(wanted.path))).toBe(sha256(CONTENT));
    expect(requests.length).toBeGreaterThan(100);
    expect(sent).toBe(CONTENT.length);
  });

  test.each([0, 1, 4_999, 9_999])("after %i bytes the rest is asked for under the chunk's tag", async (bytes) => {
    const ranges: unknown[] = [];
    const { client, wanted, file } = await serve((chunk, n, request, response) => {
      ranges.push([request.headers.range, request.headers["if-range"]]);
      (n === 1 ? cut(bytes) : honest)(chunk, n, request, response);
    });
    await client.fetch(wanted, NEVER);
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect(ranges[1]).toEqual(bytes === 0 ? [undefined, undefined] : [`bytes=${bytes}-`, `"${file.chunks[0]}"`]);
  });

  test("that end a download keep what was right for the next, which verifies it again", async () => {
    const { client, wanted, requests } = await serve((chunk, n, request, response) =>
      n === 4 ? void response.writeHead(404).end() : honest(chunk, n, request, response),
    );
    await expect(client.fetch(wanted, NEVER)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_REFUSED" });
    const part = await readFile(`${wanted.path}.part`);
    part[5] = 255 - (part[5] ?? 0);
    await writeFile(`${wanted.path}.part`, part);
    expect(await client.fetch(wanted, NEVER)).toEqual({ fetchedBytes: 27_123, reusedBytes: 20_000 });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect(requests.length).toBe(4 + 3);
  });

  test("without one byte more end in our error after the attempts", async () => {
    const { client, wanted, requests } = await serve(cut(0));
    await expect(client.fetch(wanted, NEVER)).rejects.toMatchObject({
      code: "CHECKPOINT_DOWNLOAD_FAILED",
      retryable: true,
    });
    expect(requests.length).toBe(3);
  });
});

describe("a server that lies now and then", () => {
  const HALF = 5_000;
  const other = bytesOf("other", CHUNK);
  /** Lies in the first answer, or in the second after half of the first. */
  const lies: readonly (readonly [string, "first" | "second", Fault])[] = [
    [
      "sends other bytes",
      "first",
      (_chunk, _n, _request, response) => response.writeHead(200, { "content-length": CHUNK }).end(other),
    ],
    [
      "sends one byte too many",
      "first",
      (chunk, _n, _request, response) => response.writeHead(200).end(Buffer.concat([chunk, other])),
    ],
    [
      "announces more than it has",
      "first",
      (chunk, _n, _request, response) =>
        void response.writeHead(200, { "content-length": chunk.length + 1 }).end(chunk),
    ],
    [
      "announces less than it has",
      "first",
      (chunk, _n, _request, response) =>
        void response.writeHead(200, { "content-length": 10 }).end(chunk.subarray(0, 10)),
    ],
    [
      "names another tag",
      "first",
      (chunk, _n, _request, response) => response.writeHead(200, { etag: '"other"' }).end(chunk),
    ],
    [
      "compresses",
      "first",
      (chunk, _n, _request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(chunk)),
    ],
    [
      "sends a part that nobody asked for",
      "first",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: `"${sha256(chunk)}"`, "content-range": `bytes 0-9/${CHUNK}` })
          .end(chunk.subarray(0, 10)),
    ],
    [
      "is overloaded",
      "first",
      (_chunk, _n, _request, response) => response.writeHead(503, { "retry-after": "1" }).end(),
    ],
    [
      "ignores the range",
      "second",
      (chunk, _n, _request, response) => response.writeHead(200, { "content-length": CHUNK }).end(chunk),
    ],
    [
      "refuses the range",
      "second",
      (_chunk, _n, _request, response) => response.writeHead(416, { "content-range": "bytes */3" }).end(),
    ],
    [
      "gives another range",
      "second",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: `"${sha256(chunk)}"`, "content-range": `bytes 0-${CHUNK - 1}/${CHUNK}` })
          .end(chunk),
    ],
    [
      "gives another range under the right name",
      "second",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: `"${sha256(chunk)}"`, "content-range": `bytes ${HALF}-${CHUNK - 1}/${CHUNK}` })
          .end(chunk.subarray(0, HALF)),
    ],
    [
      "changes the tag",
      "second",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: '"other"', "content-range": `bytes ${HALF}-${CHUNK - 1}/${CHUNK}` })
          .end(chunk.subarray(HALF)),
    ],
    [
      "loses the tag",
      "second",
      (chunk, _n, _request, response) =>
        response.writeHead(206, { "content-range": `bytes ${HALF}-${CHUNK - 1}/${CHUNK}` }).end(chunk.subarray(HALF)),
    ],
    [
      "names another total",
      "second",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: `"${sha256(chunk)}"`, "content-range": `bytes ${HALF}-${CHUNK}/${CHUNK + 1}` })
          .end(chunk.subarray(HALF)),
    ],
    [
      "sends more than the range",
      "second",
      (chunk, _n, _request, response) =>
        response
          .writeHead(206, { etag: `"${sha256(chunk)}"`, "content-range": `bytes ${HALF}-${CHUNK - 1}/${CHUNK}` })
          .end(chunk),
    ],
  ];

  test.each(lies)("and %s in the %s answer costs a request and no byte", async (_name, when, lie) => {
    const { client, wanted, folder } = await serve((chunk, n, request, response) => {
      if (when === "second" && n === 1) return cut(HALF)(chunk, n, request, response);
      (n === (when === "first" ? 1 : 2) ? lie : honest)(chunk, n, request, response);
    });
    expect(await client.fetch(wanted, NEVER)).toEqual({ fetchedBytes: 47_123, reusedBytes: 0 });
    expect(sha256(await readFile(wanted.path))).toBe(sha256(CONTENT));
    expect(await readdir(folder)).toEqual(["model"]);
  });

  test.each(lies.filter(([, when]) => when === "first"))(
    "and always %s never gives a file",
    async (_name, _when, lie) => {
      const { client, wanted, folder } = await serve(lie);
      await expect(client.fetch(wanted, NEVER)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_FAILED" });
      expect(await readdir(folder)).toEqual(["model.part"]);
    },
  );

  test("and falls silent is asked again, and given up at the deadline when it trickles", async () => {
    const { client, wanted } = await serve(
      (chunk, n, request, response) => {
        if (n > 1) return honest(chunk, n, request, response);
        response.writeHead(200, { "content-length": chunk.length }).write(chunk.subarray(0, 100));
      },
      CONTENT,
      { stallMillis: 100 },
    );
    await client.fetch(wanted, NEVER);
    expect(await readFile(wanted.path)).toEqual(CONTENT);

    const slow = await serve(
      (chunk, _n, _request, response) => {
        let sent = 0;
        const timer = setInterval(() => response.write(chunk.subarray(sent, ++sent)), 5);
        response.once("close", () => clearInterval(timer));
      },
      CONTENT,
      { deadlineMillis: 200 },
    );
    await expect(slow.client.fetch(slow.wanted, NEVER)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_DEADLINE" });
    expect((await stat(`${slow.path}.part`)).size).toBe(CONTENT.length);
  });

  test("in its manifest is told so", async () => {
    const { client, list } = await serve(honest);
    Object.assign(list, { merkle_root: "00".repeat(32) });
    await expect(client.list(NEVER)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_REFUSED" });
  });

  test("about a file's own digest does not get its name on it", async () => {
    const { client, wanted, folder } = await serve(honest);
    const lied = { ...wanted, file: { ...wanted.file, sha256: sha256(Buffer.from("other")) } };
    await expect(client.fetch(lied, NEVER)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_REFUSED" });
    expect(await readdir(folder)).toEqual(["model.part"]);
  });
});

test("a caller that aborts ends a download with its reason", async () => {
  const controller = new AbortController();
  const { client, wanted } = await serve(() => controller.abort(new Error("over")));
  await expect(client.fetch(wanted, controller.signal)).rejects.toThrow("over");
});
