import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE } from "./miners.ts";
import { bytesOf, groupFile, ServerFixture, TOKEN, until } from "./server-fixture.ts";

const GROUPS = [bytesOf("a", 3_000_000), bytesOf("b", 3_000_000)] as const;

let redis: PrivateRedis;
let folder: string;
let paths: { certificate: string; key: string };
beforeAll(async () => {
  redis = await startPrivateRedis();
  folder = await mkdtemp(join(tmpdir(), "assay-tls-"));
  await Promise.all(["first.example", "second.example"].map(selfSigned));
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  paths = { certificate: join(folder, "server.pem"), key: join(folder, "server.key") };
  await install("first.example");
});

async function selfSigned(name: string): Promise<void> {
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const files = ["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.pem`)];
  await promisify(execFile)("openssl", ["req", ...kind, "-subj", `/CN=${name}`, ...files]);
}

async function install(name: string): Promise<void> {
  await copyFile(join(folder, `${name}.pem`), paths.certificate);
  await copyFile(join(folder, `${name}.key`), paths.key);
}

async function serving(clock?: FakeClock): Promise<ServerFixture> {
  const args = [`--tls.certificate=${paths.certificate}`, `--tls.key=${paths.key}`];
  const server = await ServerFixture.start({
    redisUrl: redis.url,
    view: distributeView(),
    args,
    ...(clock !== undefined && { clock }),
  });
  await server.publish(0, GROUPS);
  return await server.serve();
}

/** Who the server says it is. */
async function nameOf(server: ServerFixture): Promise<string> {
  const socket: TLSSocket = connect({ port: Number(new URL(server.url).port), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { subject }: PeerCertificate = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

describe("TLS without a proxy", () => {
  test("serves whole files, with the limits of plain HTTP", async () => {
    await using server = await serving();

    expect(server.url).toMatch(/^https:/);
    const headers = { authorization: `Bearer ${TOKEN}`, "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
    const download = request(`${server.url}/model/partial`, { headers, rejectUnauthorized: false, agent: false });
    download.end();
    const [response] = await once(download, "response");

    expect(new Uint8Array(await buffer(response))).toEqual(await groupFile(0, GROUPS[0]));
    expect(await refusedPath(server)).toBe(414);
  });

  test("takes a new certificate when the files change, and keeps the last while they do not fit", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving(clock);
    expect(await nameOf(server)).toBe("first.example");

    await copyFile(join(folder, "second.example.pem"), paths.certificate);
    await advanceUntil(clock, server, "Cannot renew the certificate; the last one stays");
    expect(await nameOf(server)).toBe("first.example");
    await install("second.example");
    await advanceUntil(clock, server, "Certificate renewed");

    expect(await nameOf(server)).toBe("second.example");
  });

  test("does not start with files that are no certificate", async () => {
    await writeFile(paths.key, "not a key");
    const server = await ServerFixture.start({
      redisUrl: redis.url,
      view: distributeView(),
      args: [`--tls.certificate=${paths.certificate}`, `--tls.key=${paths.key}`],
    });
    await using _ = server;

    await expect(server.serve()).rejects.toMatchObject({ code: "MODEL_SERVER_CERTIFICATE_INVALID" });
  });
});

async function refusedPath(server: ServerFixture): Promise<number | undefined> {
  const long = request(`${server.url}/${"x".repeat(3_000)}`, { rejectUnauthorized: false, agent: false });
  long.end();
  const [response] = await once(long, "response");
  response.resume();
  return response.statusCode;
}

async function advanceUntil(clock: FakeClock, server: ServerFixture, message: string): Promise<void> {
  await until(async () => {
    await clock.advance(30_000);
    return server.logger.lines().some((line) => line.includes(message));
  });
}
