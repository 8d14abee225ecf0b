import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { ObjectStoreOptions } from "@assay/checkpoint/object-store/object-store-options";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engineProblem } from "./docker.ts";
import { type ObjectStoreServer, startObjectStore } from "./object-store-server.ts";

const problem = await engineProblem();
if (problem !== null)
  process.stderr.write(`assay store check is not tested: no Docker engine can be used (${problem})\n`);

const ASSAY = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

async function check(options: ObjectStoreOptions) {
  const env = {
    OBJECT_STORE_ENDPOINT: options.endpoint,
    OBJECT_STORE_REGION: options.region,
    OBJECT_STORE_BUCKET: options.bucket,
    OBJECT_STORE_PREFIX: options.prefix,
    OBJECT_STORE_PATH_STYLE: String(options.pathStyle),
    OBJECT_STORE_ACCESS_KEY_ID: options.accessKeyId,
    OBJECT_STORE_SECRET_ACCESS_KEY: options.secretAccessKey,
  };
  const { exitCode, out } = await assay(["store", "check", "--json"], env);
  expect(out).not.toContain(options.secretAccessKey);
  const { steps, problems } = JSON.parse(out) as {
    steps: readonly { step: string; result: string }[];
    problems: readonly { code: string; fields: { setting?: string; operation?: string } }[];
  };
  const results = Object.fromEntries(steps.map(({ step, result }) => [step, result]));
  return { exitCode, results, problems: problems.map(({ code, fields }) => [code, fields.setting, fields.operation]) };
}

describe.skipIf(problem !== null)("Ceph's S3 gateway on RADOS", () => {
  let server: ObjectStoreServer;
  beforeAll(async () => {
    server = await startObjectStore("rados");
  });
  afterAll(() => server?.stop());

  test("passes the check", async () => {
    expect(await check(server.options)).toEqual({
      exitCode: 0,
      results: { put: "ok", get: "ok", range: "ok", presigned: "ok", delete: "ok", parts: "ok" },
      problems: [],
    });
  });

  test.each([
    ["no such port", { endpoint: "http://127.0.0.1:1" }, "OBJECT_STORE_UNREACHABLE", "endpoint"],
    ["no such host", { endpoint: "http://store.invalid" }, "OBJECT_STORE_UNREACHABLE", "endpoint"],
    ["no such bucket", { bucket: "not-there" }, "OBJECT_STORE_BUCKET", "bucket"],
    ["no bucket's name", { bucket: "X" }, "OBJECT_STORE_BUCKET", "bucket"],
    ["unknown access key", { accessKeyId: "nobody" }, "OBJECT_STORE_ACCESS_KEY", "access_key_id"],
    ["secret of another key", { secretAccessKey: "not the secret" }, "OBJECT_STORE_SECRET_KEY", "secret_access_key"],
  ] as const)("names the setting that is wrong: %s", async (_case, change, code, setting) => {
    expect(await check({ ...server.options, ...change })).toEqual({
      exitCode: 1,
      results: {
        put: "failed",
        get: "skipped",
        range: "skipped",
        presigned: "skipped",
        delete: "skipped",
        parts: "skipped",
      },
      problems: [[code, `object_store.${setting}`, "put"]],
    });
  });

  test("names the endpoint when it does not speak TLS", async () => {
    const endpoint = server.options.endpoint.replace("http:", "https:");
    expect((await check({ ...server.options, endpoint })).problems).toEqual([
      ["OBJECT_STORE_TLS", "object_store.endpoint", "put"],
    ]);
  });

  test("names path_style when the bucket is sought in a host name that is not there", async () => {
    const { port } = new URL(server.options.endpoint);
    const elsewhere = { ...server.options, endpoint: `http://localhost:${port}`, pathStyle: false };
    expect((await check(elsewhere)).problems).toEqual([
      ["OBJECT_STORE_PATH_STYLE", "object_store.path_style", undefined],
    ]);
  });

  test("names what a key may not do: to put, or to delete", async () => {
    expect(await check(server.as("reader"))).toMatchObject({
      exitCode: 1,
      problems: [["OBJECT_STORE_DENIED", "object_store.access_key_id", "put"]],
    });
    expect(await check(server.as("keeper"))).toEqual({
      exitCode: 1,
      results: { put: "ok", get: "ok", range: "ok", presigned: "ok", delete: "failed", parts: "skipped" },
      problems: [["OBJECT_STORE_DENIED", "object_store.access_key_id", "delete"]],
    });
  });
});

describe.skipIf(problem !== null)("Ceph's S3 gateway on dbstore", () => {
  let server: ObjectStoreServer;
  beforeAll(async () => {
    server = await startObjectStore("dbstore");
  });
  afterAll(() => server?.stop());

  test("is found to give other bytes for ranges and parts, which no download could go on with", async () => {
    const { exitCode, results, problems } = await check(server.options);

    expect(exitCode).toBe(1);
    expect(results).toEqual({
      put: "ok",
      get: "ok",
      range: "failed",
      presigned: "failed",
      delete: "ok",
      parts: "failed",
    });
    expect(problems.map(([code]) => code)).toEqual(new Array(3).fill("OBJECT_STORE_CORRUPT"));
  });
});

async function assay(args: readonly string[], env: Readonly<Record<string, string>>) {
  const { PATH } = process.env;
  const child = spawn(process.execPath, ["--conditions=source", ASSAY, ...args], {
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [out, [exitCode]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { exitCode: Number(exitCode), out };
}
