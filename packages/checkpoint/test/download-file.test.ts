import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { downloadFile } from "../src/download/download-file.ts";
import { CONTENT, options, sendFile, serve, TAG } from "./answering-server.ts";

const HALF = CONTENT.length / 2;
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

/** Half of the body under the whole length; the connection drops when the half is on the disk. */
function dropHalfway(response: ServerResponse, part: string, etag: string | null = TAG): void {
  response.writeHead(200, { "content-length": CONTENT.length, ...(etag === null ? {} : { etag }) });
  response.write(CONTENT.subarray(0, HALF));
  const arrived = expect.poll(async () => (await stat(part)).size, { interval: 5, timeout: 5_000 }).toBe(HALF);
  void Promise.resolve(arrived).finally(() => response.destroy());
}

describe("a download that is interrupted", () => {
  test("is continued under the same entity tag", async () => {
    const { seen, wanted } = await serve((n, incoming, response, part) =>
      n === 1 ? dropHalfway(response, part) : sendFile(incoming, response),
    );
    expect(await downloadFile(wanted, options)).toEqual({
      kind: "downloaded",
      bytes: CONTENT.length,
      attempts: 2,
      resumed: true,
    });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect(seen[1]).toMatchObject({ range: `bytes=${HALF}-`, ifRange: TAG });
    expect(await readdir(wanted.folder)).toEqual(["s.safetensors"]);
  });

  test("is continued by a later call after this one gave up", async () => {
    const { seen, wanted } = await serve((n, incoming, response, part) => {
      if (n === 1) return dropHalfway(response, part);
      if (n === 2) return void response.writeHead(503).end();
      sendFile(incoming, response);
    });
    await expect(downloadFile(wanted, { ...options, attempts: 1 })).rejects.toMatchObject({
      code: "CHECKPOINT_DOWNLOAD_FAILED",
      retryable: true,
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 1, resumed: true });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect(seen.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`, `bytes=${HALF}-`]);
  });

  test("starts over when the server ignores the range", async () => {
    const { wanted } = await serve((n, _incoming, response, part) => {
      if (n === 1) return dropHalfway(response, part);
      response.writeHead(200, { etag: TAG, "content-length": CONTENT.length }).end(CONTENT);
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", resumed: false });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test("starts over when the range is refused, instead of taking the half for the whole", async () => {
    const { seen, wanted } = await serve((n, incoming, response, part) => {
      if (n === 1) return dropHalfway(response, part);
      if (n === 2) return void response.writeHead(416, { "content-range": `bytes */${HALF}` }).end();
      sendFile(incoming, response);
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 3, resumed: false });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
    expect(seen[2]?.range).toBe(undefined);
  });

  test("starts over when the file changed meanwhile", async () => {
    const changed = Buffer.from(CONTENT).reverse();
    const { wanted } = await serve((n, incoming, response, part) =>
      n === 1 ? dropHalfway(response, part) : sendFile(incoming, response, changed, '"v2"'),
    );
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", resumed: false });
    expect(await readFile(wanted.path)).toEqual(changed);
  });

  test.each([
    ["another tag", { etag: '"v2"', "content-range": `bytes ${HALF}-${CONTENT.length - 1}/${CONTENT.length}` }],
    ["another beginning", { etag: TAG, "content-range": `bytes 0-${CONTENT.length - 1}/${CONTENT.length}` }],
    ["another total", { etag: TAG, "content-range": `bytes ${HALF}-${CONTENT.length}/${CONTENT.length + 1}` }],
    ["no range", { etag: TAG }],
  ])("does not believe a partial answer with %s", async (_name, headers) => {
    const { wanted } = await serve((n, incoming, response, part) => {
      if (n === 1) return dropHalfway(response, part);
      if (n === 2) return void response.writeHead(206, headers).end(CONTENT.subarray(HALF));
      sendFile(incoming, response);
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 3, resumed: false });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test.each([[null], ['W/"v1"']])("is not continued when the entity tag is %s", async (etag) => {
    const { seen, wanted } = await serve((n, incoming, response, part) =>
      n === 1 ? dropHalfway(response, part, etag) : sendFile(incoming, response),
    );
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", resumed: false });
    expect(seen[1]?.range).toBe(undefined);
  });

  test("and whose continued bytes hash to something else starts over once more", async () => {
    const { wanted } = await serve((n, incoming, response, part) => {
      if (n === 1) return dropHalfway(response, part);
      if (n === 2) return void response.writeHead(503).end();
      sendFile(incoming, response);
    });
    const committed = { ...wanted, expectedSha256: SHA256 };
    await expect(downloadFile(committed, { ...options, attempts: 1 })).rejects.toThrow();
    await writeFile(`${wanted.path}.part`, new Uint8Array(HALF));
    expect(await downloadFile(committed, options)).toMatchObject({ kind: "downloaded", attempts: 2, resumed: false });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test.each([500, 502, 503, 429, 408])("by status %i is tried again", async (status) => {
    const { wanted } = await serve((n, incoming, response) =>
      n === 1 ? void response.writeHead(status).end("busy") : sendFile(incoming, response),
    );
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 2 });
  });

  test("after it brought bytes is no failed attempt", async () => {
    const { wanted } = await serve((n, incoming, response, part) =>
      n === 1 ? dropHalfway(response, part) : sendFile(incoming, response),
    );
    expect(await downloadFile(wanted, { ...options, attempts: 1 })).toMatchObject({ kind: "downloaded", attempts: 2 });
  });

  test("every time is our error, not a refusal", async () => {
    const { seen, wanted } = await serve((_n, _incoming, response, part) => dropHalfway(response, part, null));
    await expect(downloadFile(wanted, options)).rejects.toMatchObject({
      code: "CHECKPOINT_DOWNLOAD_FAILED",
      fields: { attempts: 4 },
    });
    expect(seen.length).toBe(4);
  });

  test("right after the header is tried again", async () => {
    const { wanted } = await serve((n, incoming, response) => {
      if (n > 2) return sendFile(incoming, response);
      response.writeHead(200, { etag: TAG, "content-length": CONTENT.length }).flushHeaders();
      response.socket?.resetAndDestroy();
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 3 });
  });

  test("by nobody listening is tried again until the attempts end", async () => {
    const { url, wanted } = await serve(() => undefined);
    const dead = url.replace(/:\d+/, ":1");
    await expect(downloadFile({ ...wanted, url: dead }, options)).rejects.toMatchObject({
      code: "CHECKPOINT_DOWNLOAD_FAILED",
    });
  });
});

describe("the size of a download", () => {
  test("is refused when it is announced to be too large, before the body", async () => {
    const { wanted } = await serve((_n, _incoming, response) => {
      response.writeHead(200, { "content-length": 1_000_000_000_000 }).flushHeaders();
    });
    expect(await downloadFile(wanted, options)).toEqual({
      kind: "refused",
      reason: "too_large",
      detail: "1000000000000 bytes announced, at most 300000 are possible",
    });
    expect(await readdir(wanted.folder)).toEqual([]);
  });

  test("ends an endless stream at the limit and leaves nothing", async () => {
    const { wanted } = await serve((_n, _incoming, response) => {
      const more = (): void => {
        if (!response.destroyed && response.write(CONTENT)) setImmediate(more);
      };
      response.on("drain", more);
      more();
    });
    expect(await downloadFile(wanted, options)).toEqual({
      kind: "refused",
      reason: "too_large",
      detail: "more bytes came, at most 300000 are possible",
    });
    expect(await readdir(wanted.folder)).toEqual([]);
  });

  test("that is announced larger than it is counts as an interruption", async () => {
    const { wanted } = await serve((n, incoming, response) => {
      if (n > 1) return sendFile(incoming, response);
      response.writeHead(200, { etag: TAG, "content-length": CONTENT.length });
      response.write(CONTENT.subarray(0, HALF), () => response.socket?.end());
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 2 });
    expect(await readFile(wanted.path)).toEqual(CONTENT);
  });

  test("need not be announced", async () => {
    const { wanted } = await serve((_n, _incoming, response) => void response.end(CONTENT));
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", bytes: CONTENT.length });
  });

  test("without room on the volume is our error", async () => {
    const { wanted } = await serve(() => undefined);
    await expect(downloadFile(wanted, { ...options, minFreeBytes: 2 ** 60 })).rejects.toMatchObject({
      code: "CHECKPOINT_VOLUME_FULL",
    });
  });
});

describe("time", () => {
  test("ends a body that trickles at the deadline", async () => {
    const { wanted } = await serve((_n, _incoming, response) => {
      const timer = setInterval(() => response.write("x"), 5);
      response.on("close", () => clearInterval(timer));
    });
    await expect(downloadFile(wanted, { ...options, deadlineMillis: 300 })).rejects.toMatchObject({
      code: "CHECKPOINT_DOWNLOAD_DEADLINE",
      retryable: true,
    });
  });

  test("interrupts a server that never answers, and one that falls silent", async () => {
    const { seen, wanted } = await serve((n, incoming, response) => {
      if (n === 2) response.writeHead(200, { "content-length": CONTENT.length }).write("x");
      if (n === 3) sendFile(incoming, response);
    });
    expect(await downloadFile(wanted, { ...options, stallMillis: 100 })).toMatchObject({
      kind: "downloaded",
      attempts: 3,
    });
    expect(seen.length).toBe(3);
  });

  test("ends when the caller aborts, with the caller's reason", async () => {
    const controller = new AbortController();
    const { wanted } = await serve(() => controller.abort(new Error("round is over")));
    await expect(downloadFile(wanted, options, controller.signal)).rejects.toThrow("round is over");
  });
});

describe("an answer that will not change", () => {
  test.each([400, 401, 403, 404, 410, 204, 304])("status %i is refused at once", async (status) => {
    const { seen, wanted } = await serve((_n, _incoming, response) => void response.writeHead(status).end());
    expect(await downloadFile(wanted, options)).toEqual({
      kind: "refused",
      reason: "http_status",
      detail: `status ${status}`,
    });
    expect(seen.length).toBe(1);
  });

  test("an encoded body is refused", async () => {
    const { wanted } = await serve((_n, _incoming, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end("x");
    });
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "refused", reason: "encoding" });
  });
});
