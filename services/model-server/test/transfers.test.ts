import { request as httpRequest, type IncomingMessage } from "node:http";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, BOB, pullBody, pushHeaders, signedHeaders, VERA } from "./miners.ts";
import { bytesOfBody, openDownload } from "./raw-client.ts";
import { groupFile, refusalIn, ServerFixture, TOKEN, until } from "./server-fixture.ts";

/** More than the kernel takes on loopback, so that a reader who does not read holds its slot. */
const BIG = new Uint8Array(16 << 20);
const GROUP_BYTES = BIG.length + 192;
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
const bob = { "x-hotkey": BOB.hotkey, "x-expert-group": "1" };

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

async function serving(args: readonly string[] = [], clock?: FakeClock): Promise<ServerFixture> {
  const server = await ServerFixture.start({
    redisUrl: redis.url,
    view: distributeView(),
    args,
    ...(clock !== undefined && { clock }),
  });
  await server.publish(0, [BIG, BIG]);
  return server.serve();
}

async function metric(server: ServerFixture, line: string): Promise<void> {
  await until(async () => (await server.registry.metrics()).includes(`${line}\n`));
}

describe("slots", () => {
  test("are held until a reply is over; others wait, and beyond the queue 503 says when to come again", async () => {
    await using server = await serving(["--transfers.max_in_flight=1", "--transfers.max_waiting=1"]);
    const slow = await openDownload(server.url, alice);
    const waiting = openDownload(server.url, bob);
    await metric(server, "model_server_transfers_waiting 1");

    const turnedAway = await server.fetch("/model/full", { headers: signedHeaders(VERA) });
    expect(turnedAway.headers.get("retry-after")).toBe("15");
    expect(await refusalIn(turnedAway)).toEqual({ status: 503, error: "server_busy" });
    expect(await bytesOfBody(slow)).toBe(GROUP_BYTES);

    expect(await bytesOfBody(await waiting)).toBe(GROUP_BYTES);
    await metric(server, 'model_server_transfers_in_flight{direction="download"} 0');
  });

  test("are not for health, small replies and small bodies, which never wait", async () => {
    await using server = await serving(["--transfers.max_in_flight=1", "--transfers.max_waiting=0"]);
    const slow = await openDownload(server.url, alice);

    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await server.fetch("/model/partial?part=config", { headers: bob })).status).toBe(200);
    expect((await server.fetch("/model/partial", { method: "HEAD", headers: bob })).status).toBe(200);
    await server.setView(submissionView());
    const pull = await server.fetch("/submit", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: pullBody(ALICE, "https://miner.example/checkpoint"),
    });

    expect(pull.status).toBe(202);
    slow.destroy();
  });

  test("are needed for large files whatever else their query says", async () => {
    await using server = await serving(["--transfers.max_in_flight=1", "--transfers.max_waiting=0"]);
    const slow = await openDownload(server.url, alice);
    const path = "/model/full?part=config";

    const full = await server.fetch(path, { headers: signedHeaders(VERA, { path }) });

    expect(await refusalIn(full)).toEqual({ status: 503, error: "server_busy" });
    slow.destroy();
  });

  test("are for uploads as well, which wait unread", async () => {
    await using server = await serving(["--transfers.max_in_flight=1"]);
    const slow = await openDownload(server.url, bob);
    await server.setView(submissionView());
    const content = await groupFile(0, BIG);

    const upload = server.fetch("/submit", {
      method: "POST",
      headers: pushHeaders(ALICE, content),
      body: Buffer.from(content),
    });
    await metric(server, "model_server_transfers_waiting 1");
    slow.destroy();

    expect((await upload).status).toBe(202);
  });

  test("of one hotkey are its share: it waits for itself, and others pass", async () => {
    await using server = await serving(["--transfers.max_per_hotkey=1"]);
    const slow = await openDownload(server.url, alice);
    const own = openDownload(server.url, alice);
    await metric(server, "model_server_transfers_waiting 1");

    expect(await refusalIn(await server.fetch("/model/partial", { headers: alice }))).toEqual({
      status: 429,
      error: "too_many_requests",
    });
    expect(await bytesOfBody(await openDownload(server.url, bob))).toBe(GROUP_BYTES);
    slow.destroy();
    expect(await bytesOfBody(await own)).toBe(GROUP_BYTES);
  });

  test.each(["/MODEL/partial", "/model/partial/", "/model//partial", "/model/%70artial"])(
    "cannot be had without one by writing %s",
    async (path) => {
      await using server = await serving();

      expect(await refusalIn(await server.fetch(path, { headers: alice }))).toEqual({
        status: 404,
        error: "not_found",
      });
    },
  );

  test("come back when a request is refused, when its client goes, and when it was only waiting", async () => {
    await using server = await serving(["--transfers.max_in_flight=1", "--transfers.max_waiting=1"]);
    expect((await server.fetch("/model/partial", { headers: { ...alice, "x-expert-group": "1" } })).status).toBe(403);
    const slow = await openDownload(server.url, alice);
    const left = httpRequest(`${server.url}/model/partial`, {
      agent: false,
      headers: { authorization: `Bearer ${TOKEN}`, ...bob },
    });
    left.on("error", () => undefined);
    left.end();
    await metric(server, "model_server_transfers_waiting 1");

    left.destroy();
    await metric(server, "model_server_transfers_waiting 0");
    slow.destroy();

    expect(await bytesOfBody(await openDownload(server.url, bob))).toBe(GROUP_BYTES);
  });

  test("of a client that takes its file in many pieces cost no requests", async () => {
    await using server = await serving(["--rate_limit.requests=2"]);

    for (let piece = 0; piece < 6; piece += 1) {
      const range = `bytes=${piece * 65_536}-${piece * 65_536 + 65_535}`;
      const response = await server.fetch("/model/partial", { headers: { ...alice, range } });
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([206, 65_536]);
    }
  });
});

describe("a reader", () => {
  /** Advances the clock by steps of the watch until a transfer was cut for this reason. */
  async function advanceUntilCut(server: ServerFixture, clock: FakeClock, reason: string): Promise<void> {
    await until(async () => {
      await server.setView(distributeView({ updatedAt: clock.now() }));
      await clock.advance(3_000);
      const metrics = await server.registry.metrics();
      return metrics.includes(`model_server_transfers_cut_total{reason="${reason}"} 1\n`);
    });
  }

  test("that does not read is cut, gives its slot to the next, and can resume", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving(["--transfers.max_in_flight=1", "--transfers.max_wait_seconds=600"], clock);
    const slow = await openDownload(server.url, alice);
    const next = openDownload(server.url, bob);
    await metric(server, "model_server_transfers_waiting 1");

    await advanceUntilCut(server, clock, "too_slow");

    expect(await bytesOfBody(await next)).toBe(GROUP_BYTES);
    expect(await bytesOfBody(slow)).toBe(null);
    await until(() => server.logger.lines().some((line) => line.includes("cut by the server")));
    expect(server.logger.lines().find((line) => line.includes("cut by the server"))).toMatch(
      /GET \/model\/partial cut by the server .*\| bytes: \d+ \| seconds: [\d.]+ \| resumed: false \| status: 200 \| outcome: too_slow$/,
    );
    await server.setView(distributeView({ updatedAt: clock.now() }));
    const resumed = await openDownload(server.url, { ...alice, range: "bytes=1000000-" });
    expect([resumed.statusCode, await bytesOfBody(resumed)]).toEqual([206, GROUP_BYTES - 1_000_000]);
    await until(() =>
      server.logger
        .lines()
        .some((line) =>
          /\| bytes: \d+ \| seconds: [\d.]+ \| resumed: true \| offset: 1000000 \| status: 206 \| outcome: served$/.test(
            line,
          ),
        ),
    );
  });

  test("that takes too long in all is cut, however it reads", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving(["--transfers.max_seconds=6", "--transfers.min_bytes_per_second=0"], clock);
    const slow = await openDownload(server.url, alice);

    await advanceUntilCut(server, clock, "too_long");

    expect(await bytesOfBody(slow)).toBe(null);
  });
});

describe("bandwidth", () => {
  const RATE = 4 << 20;
  const STEP_MILLIS = 100;
  const PIECE = 512 * 1024;

  /** Counts a body's bytes as they come. */
  function counted(response: IncomingMessage) {
    const count = { bytes: 0 };
    response.on("data", (piece: Buffer) => {
      count.bytes += piece.length;
    });
    response.on("error", () => undefined);
    return count;
  }

  test("is shared by two downloads, byte for byte, and is never more than allowed", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving([`--transfers.max_total_bytes_per_second=${RATE}`], clock);
    const downloads = [await openDownload(server.url, alice), await openDownload(server.url, bob)] as const;
    const [first, second] = [counted(downloads[0]), counted(downloads[1])];

    for (let step = 0; step < 40; step += 1) {
      // Both ask for more before time goes on, so that no disk and no machine decides who gets what.
      await metric(server, "model_server_transfers_paced 2");
      await server.setView(distributeView({ updatedAt: clock.now() }));
      await clock.advance(STEP_MILLIS);
    }
    await metric(server, "model_server_transfers_paced 2");
    const sum = () => first.bytes + second.bytes;
    await until(() => sum() >= 15 << 20);

    // Four seconds' worth and a tenth before; headers aside, a client has whole pieces.
    expect(sum()).toBeLessThanOrEqual(4.1 * RATE);
    expect(Math.abs(first.bytes - second.bytes)).toBeLessThanOrEqual(PIECE);
    for (const download of downloads) download.destroy();
  });

  test("of one download is limited, and waiting for it is no fault of its reader", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving([`--transfers.max_bytes_per_second=${16 * 1024}`], clock);
    const slow = await openDownload(server.url, { ...alice, range: "bytes=0-1048575" });
    const count = counted(slow);

    for (let step = 0; step < 32; step += 1) {
      await metric(server, "model_server_transfers_paced 1");
      await clock.advance(1_000);
    }
    // Half a megabyte in 32 s is less than what a reader must take when bytes lie ready.
    await until(() => count.bytes === PIECE);
    expect(await server.registry.metrics()).not.toContain('transfers_cut_total{reason="too_slow"}');
    slow.destroy();
  });

  test("of an upload is limited, and waiting for it is no fault of its sender", async () => {
    const clock = new FakeClock(Date.now());
    await using server = await serving([`--transfers.max_bytes_per_second=${4 << 20}`], clock);
    const content = await groupFile(0, BIG);
    await server.setView(submissionView({ updatedAt: clock.now() }));
    const upload = server.fetch("/submit", {
      method: "POST",
      headers: pushHeaders(ALICE, content),
      body: Buffer.from(content),
    });
    let ended = false;
    void upload.then(() => {
      ended = true;
    });

    const startedAt = clock.now();
    while (!ended) {
      await server.setView(submissionView({ updatedAt: clock.now() }));
      await clock.advance(STEP_MILLIS);
    }

    expect((await upload).status).toBe(202);
    expect(clock.now() - startedAt).toBeGreaterThan(3_500);
  });
});

describe("a stop", () => {
  test("takes no new transfer, says so, and lets those in flight end", async () => {
    await using server = await serving();
    const running = await openDownload(server.url, alice);

    const stopped = server.stopServing();
    const turnedAway = await server.fetch("/model/partial", { headers: bob });
    expect([turnedAway.headers.get("retry-after"), turnedAway.headers.get("connection")]).toEqual(["15", "close"]);
    expect(await refusalIn(turnedAway)).toEqual({ status: 503, error: "shutting_down" });
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: "not_ready", reasons: ["shutting_down"] }]);
    expect((await fetch(`${server.adminUrl}/ready`)).status).toBe(503);

    expect(await bytesOfBody(running)).toBe(GROUP_BYTES);
    await stopped;
    expect(server.logger.lines()).toContain("[INFO] Draining transfers | in_flight: 1 | limit_seconds: 60");
  });

  test("cuts what does not end in time", async () => {
    await using server = await serving(["--drain_seconds=0"]);
    const running = await openDownload(server.url, alice);

    await server.stopServing();

    expect(await bytesOfBody(running)).toBe(null);
    await metric(server, 'model_server_transfers_cut_total{reason="stopping"} 1');
  });
});
