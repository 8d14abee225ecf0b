import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { downloadFile } from "@assay/checkpoint/download/download-file";
import { ObjectStore } from "@assay/checkpoint/object-store/object-store";
import { type ObjectStoreOptions, objectStoreName } from "@assay/checkpoint/object-store/object-store-options";
import { uploadVersion } from "@assay/checkpoint/object-store/upload-version";
import { readUploadedFiles } from "@assay/checkpoint/object-store/uploaded-files";
import { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { type FaultProxy, openFaultProxy } from "@assay/testing/network/fault-proxy";
import { startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEvaluatorMetrics } from "../../services/evaluator/src/metrics.ts";
import { ModelUpload } from "../../services/evaluator/src/object-store/model-upload.ts";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import { ALICE } from "../../services/model-server/test/miners.ts";
import {
  bytesOf,
  groupFile,
  publishVersion,
  ServerFixture,
  sha256Of,
  TOKEN,
} from "../../services/model-server/test/server-fixture.ts";
import { engineProblem } from "./docker.ts";
import { type ObjectStoreServer, startObjectStore } from "./object-store-server.ts";

const problem = await engineProblem();
if (problem !== null) process.stderr.write(`Object stores are not tested: no Docker engine can be used (${problem})\n`);

const NEVER = new AbortController().signal;
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
/** Three parts of an upload. */
const LARGE = [bytesOf("large", 40_000_000), bytesOf("another", 40_000_000)] as const;

describe.skipIf(problem !== null)("Ceph's S3 gateway on RADOS", () => {
  let server: ObjectStoreServer;
  beforeAll(async () => {
    server = await startObjectStore("rados");
  });
  afterAll(() => server?.stop());

  test("an upload that was cut goes on at the part, and older versions leave", async () => {
    await using redis = await privateRedis();
    await using model = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
    await model.publish(0, LARGE);
    const reader = new CheckpointReader(model.layout.root);
    const options = { ...server.options, prefix: "resumed/" };
    const storeName = objectStoreName(options);
    using store = new CountedStore(options);
    const cut = new AbortController();
    const sent = () => cut.abort(new Error("Cut"));

    await expect(uploadVersion(0, { reader, store, storeName, sent }, cut.signal)).rejects.toThrow("Cut");
    const record = await readUploadedFiles(model.layout.uploadedFiles);
    expect(record).toMatchObject({ store: storeName, files: [], pending: { sha256: expect.any(String) } });
    const before = store.partsSent;
    expect(before).toBe(1);
    const upload = await uploadVersion(0, { reader, store, storeName }, NEVER);

    // Two groups of three parts, the shared file of one, the whole of five: all but the first part.
    expect([upload.kind, upload.files, store.partsSent - before]).toEqual(["uploaded", 4, 11]);
    expect(await uploadVersion(0, { reader, store, storeName }, NEVER)).toMatchObject({ files: 0, bytes: 0 });
    await model.publish(1, [LARGE[0], LARGE[0]]);
    await uploadVersion(1, { reader, store, storeName }, NEVER);
    await model.publish(2, [LARGE[1], LARGE[0]]);
    const last = await uploadVersion(2, { reader, store, storeName }, NEVER);
    const { full } = await reader.manifest(0);
    expect(last.removed).toBe(2);
    expect(await store.bytes(full.sha256 ?? "", NEVER)).toBeNull();
    await publishVersion(model, 3, [LARGE[1], LARGE[1]], false);
    expect((await uploadVersion(3, { reader, store, storeName }, NEVER)).kind).toBe("partly");
    const kept = await readUploadedFiles(model.layout.uploadedFiles);
    for (const { sha256, bytes } of kept?.files ?? []) expect(await store.bytes(sha256, NEVER)).toBe(bytes);
  });

  describe("behind a model server", () => {
    let redis: Awaited<ReturnType<typeof privateRedis>>;
    let model: ServerFixture;
    let proxy: FaultProxy;
    let store: ObjectStoreOptions;
    const file: { bytes: Uint8Array; sha256: string } = { bytes: new Uint8Array(), sha256: "" };
    beforeAll(async () => {
      redis = await privateRedis();
      proxy = await openFaultProxy(server.options.endpoint);
      store = { ...server.options, endpoint: proxy.url };
      const { endpoint, region, bucket, prefix } = store;
      const args = [`endpoint=${endpoint}`, `region=${region}`, `bucket=${bucket}`, `prefix=${prefix}`];
      model = await ServerFixture.start({
        redisUrl: redis.url,
        view: distributeView(),
        args: ["--offload.kind=s3", ...args.map((each) => `--object_store.${each}`)],
        // The public edge's key can do no more than get.
        env: {
          OBJECT_STORE_ACCESS_KEY_ID: server.as("reader").accessKeyId,
          OBJECT_STORE_SECRET_ACCESS_KEY: server.as("reader").secretAccessKey,
        },
      });
      await model.publish(0, LARGE);
      await model.serve();
      file.bytes = await groupFile(0, LARGE[0]);
      file.sha256 = sha256Of(file.bytes);
    });
    afterAll(async () => {
      await model[Symbol.asyncDispose]();
      await proxy.close();
      await redis[Symbol.asyncDispose]();
    });

    const ask = (init: RequestInit = {}) =>
      model.fetch("/model/partial", {
        redirect: "manual",
        ...init,
        headers: { ...alice, ...(init.headers as Record<string, string> | undefined) },
      });

    test("what is not uploaded yet comes from the model server", async () => {
      const response = await ask();
      expect([response.status, sha256Of(await response.bytes())]).toEqual([200, file.sha256]);
    });

    test("what the evaluator uploaded comes from the store, whole and in ranges, without our token", async () => {
      await uploadedByEvaluator(model, store);

      const redirect = await ask();
      expect([redirect.status, redirect.headers.get("cache-control")]).toEqual([307, "no-store"]);
      expect(redirect.headers.get("x-content-hash")).toBe(`sha256:${file.sha256}`);
      const location = String(redirect.headers.get("location"));
      expect(location).toMatch(new RegExp(`^${store.endpoint}/assay/models/${file.sha256}\\?`));
      const range = await fetch(location, { headers: { range: "bytes=20000000-20000999" } });
      expect([range.status, await range.bytes()]).toEqual([206, file.bytes.subarray(20_000_000, 20_001_000)]);
      expect(model.logger.records.at(-1)?.message).toBe("GET /model/partial handed over");
      expect(JSON.stringify(model.logger.records)).not.toContain("X-Amz-Signature");
    });

    test("conditions on our own tag are answered by the model server", async () => {
      const tag = `"${file.sha256}"`;
      const head = await ask({ method: "HEAD" });
      expect([head.status, head.headers.get("etag"), head.headers.get("content-length")]).toEqual([
        200,
        tag,
        String(file.bytes.length),
      ]);
      expect(await plainStatus(model.url, { ...alice, "if-none-match": tag })).toBe(304);
      expect((await ask({ headers: { range: `bytes=${file.bytes.length}-` } })).status).toBe(416);
      const resumed = await ask({ headers: { range: "bytes=39999000-", "if-range": tag } });
      expect([resumed.status, await resumed.bytes()]).toEqual([206, file.bytes.subarray(39_999_000)]);
    });

    test("our own client follows, and goes on where it was cut", async () => {
      const path = join(model.layout.root, "downloaded.safetensors");
      const url = `${model.url}/model/partial`;
      const headers = () => ({ authorization: `Bearer ${TOKEN}`, ...alice });
      const options = { stallMillis: 5_000, deadlineMillis: 30_000, attempts: 30, retryMillis: 10 };
      const request = { url, path, headers, maxBytes: 100_000_000, expectedSha256: file.sha256 };

      // Every connection to the store ends after 15 MB of the 40.
      proxy.fail({ kind: "cut", afterBytes: 15_000_000 });
      const download = await downloadFile(request, { ...options, allowPrivateAddresses: true });
      proxy.fail(null);

      expect(download).toMatchObject({ kind: "downloaded", bytes: file.bytes.length, resumed: true });
      expect(sha256Of(await readFile(path))).toBe(file.sha256);
    });
  });
});

describe.skipIf(problem !== null)("Ceph's S3 gateway on dbstore", () => {
  let server: ObjectStoreServer;
  beforeAll(async () => {
    server = await startObjectStore("dbstore");
  });
  afterAll(() => server?.stop());

  test("a file that it does not give back is not recorded, so nobody is sent there", async () => {
    await using redis = await privateRedis();
    await using model = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
    await model.publish(0, LARGE);
    const reader = new CheckpointReader(model.layout.root);
    using store = new ObjectStore(server.options);

    const upload = uploadVersion(0, { reader, store, storeName: objectStoreName(server.options) }, NEVER);

    await expect(upload).rejects.toMatchObject({ code: "OBJECT_STORE_CORRUPT" });
    expect(await readUploadedFiles(model.layout.uploadedFiles)).toMatchObject({ files: [] });
  });
});

/** The part of the evaluator that uploads, until it says that it did. */
async function uploadedByEvaluator(model: ServerFixture, options: ObjectStoreOptions): Promise<void> {
  const { logger, registry } = model;
  const store = new CheckpointStore({ logger }, { root: model.layout.root, keepVersions: 9 });
  const upload = new ModelUpload({ store, logger, metrics: createEvaluatorMetrics(registry) }, options);
  await upload.start(NEVER);
  const uploaded = () => logger.records.find(({ message }) => message === "Uploaded version");
  await expect.poll(uploaded, { timeout: 30_000 }).toMatchObject({ fields: { version: 0, files: 4, removed: 0 } });
  await upload.stop();
  expect(await registry.metrics()).toMatch(/^evaluator_uploaded_version 0$/m);
}

/** Of a client that adds no Cache-Control of its own. */
async function plainStatus(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  const all = { authorization: `Bearer ${TOKEN}`, ...headers };
  const request = get(`${url}/model/partial`, { headers: all });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** Every part that goes over the wire, counted. */
class CountedStore extends ObjectStore {
  partsSent = 0;

  override async putPart(...args: Parameters<ObjectStore["putPart"]>) {
    const part = await super.putPart(...args);
    this.partsSent += 1;
    return part;
  }
}

async function privateRedis() {
  const redis = await startPrivateRedis();
  return { url: redis.url, [Symbol.asyncDispose]: () => redis.stop() };
}
