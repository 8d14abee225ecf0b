import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { startHttpServer } from "@assay/runtime/http/server";
import express from "express";
import { expect, test } from "vitest";
import { CUT, receiveUpload, type UploadPace } from "../src/submissions/receive-upload.ts";
import { UploadSink } from "../src/submissions/upload-sink.ts";
import { ServerFixture, sha256Of, until } from "./server-fixture.ts";

const room = { wrote: () => undefined, release: () => undefined };
const target = { maxBytes: 10_000_000, inspection: null, room, noteCount: () => undefined, pace: undefined };
const redisUrl = "unix:///nowhere/redis.sock";

/** What becomes of an upload of which the client sends these pieces, one after the other, and does not end it. */
async function received(pace: Partial<UploadPace>, pieces: AsyncIterable<Uint8Array>) {
  await using folder = await ServerFixture.start({ redisUrl });
  const result = Promise.withResolvers<Awaited<ReturnType<typeof receiveUpload>> | typeof CUT>();
  const app = express().post("/", (request) => {
    const limits = { deadlineMillis: 30_000, minBytesPerSecond: 0, rateWindowMillis: 100, ...pace };
    receiveUpload(request, { ...target, ...limits, path: join(folder.layout.root, "upload") }).then(
      result.resolve,
      result.reject,
    );
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0, closeGraceMs: 50 });
  const client = httpRequest(`${server.url}/`, { method: "POST" }).on("error", () => undefined);
  for await (const piece of pieces) client.write(piece);
  const settled = await result.promise;
  client.destroy();
  await server.close();
  return settled;
}

async function* bytes(...lengths: readonly number[]) {
  for (const length of lengths) yield new Uint8Array(length);
}

test("an upload that comes too slowly is given up", async () => {
  expect(await received({ minBytesPerSecond: 100_000 }, bytes(2_000))).toMatchObject({
    status: 408,
    code: "upload_too_slow",
  });
});

test("one that is fast enough at first and then stalls, too", async () => {
  expect(await received({ minBytesPerSecond: 100_000 }, bytes(2_000_000, 10))).toMatchObject({
    status: 408,
    code: "upload_too_slow",
  });
});

test("without a least rate only the deadline ends it", async () => {
  expect(await received({ deadlineMillis: 400 }, bytes(2_000))).toMatchObject({ status: 408, code: "upload_deadline" });
});

test("a body that arrived whole, and went with its client before it was read, is cut like any other", async () => {
  await using folder = await ServerFixture.start({ redisUrl });
  const result = Promise.withResolvers<Awaited<ReturnType<typeof receiveUpload>>>();
  const app = express().post("/", async (request) => {
    await until(() => request.complete);
    const closed = once(request, "close");
    client.destroy();
    await closed.catch(() => undefined);
    const pace = { deadlineMillis: 400, minBytesPerSecond: 0, rateWindowMillis: 100 };
    receiveUpload(request, { ...target, ...pace, path: join(folder.layout.root, "upload") }).then(
      result.resolve,
      result.reject,
    );
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0, closeGraceMs: 50 });
  const client = httpRequest(`${server.url}/`, { method: "POST" }).on("error", () => undefined);
  client.end(new Uint8Array(1_000));

  expect(await result.promise).toBe(CUT);
  await server.close();
});

test("time in which the disk is written to is not the client's", async () => {
  await using folder = await ServerFixture.start({ redisUrl });
  const pipe = join(folder.layout.root, "pipe");
  execFileSync("mkfifo", [pipe]);
  // A pipe that nobody reads is the slowest disk there is.
  const [reader, writer] = await Promise.all([open(pipe, "r+"), open(pipe, "r+")]);
  const sink = new UploadSink(writer, target, { ownsChunks: true });
  const content = new Uint8Array(200_000).fill(7);
  sink.write(Buffer.from(content));
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt > 200);
  expect(sink.isSlowerThan(10_000_000)).toBe(false);
  const late = performance.now();
  await until(() => performance.now() - late > 200);
  expect(sink.isSlowerThan(10_000_000)).toBe(false);

  const read = Buffer.alloc(content.length);
  for (let filled = 0; filled < read.length; ) {
    filled += (await reader.read(read, filled, read.length - filled)).bytesRead;
  }
  expect(sha256Of(read)).toBe(sha256Of(content));
  sink.destroy();
  await Promise.all([reader.close(), writer.close()]);
});
