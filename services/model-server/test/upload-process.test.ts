import { spawnSync } from "node:child_process";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { ALICE, EDDY, pushHeaders } from "./miners.ts";
import { bytesOf, sha256Of, until } from "./server-fixture.ts";
import { type Launcher, ServerProcess } from "./server-process.ts";
import { upload } from "./uploads.ts";

const MIB = 1024 * 1024;
const CONTENT = bytesOf("submission", 6 * MIB);
const STANDING = [`175/${ALICE.hotkey}.json`, `175/${ALICE.hotkey}.safetensors`];
const LENGTH = { "content-length": String(CONTENT.length) };

/** Bytes of the only upload under way that are on the disk. */
async function uploadedBytes(server: ServerProcess, inbox = server.layout.inbox): Promise<number> {
  const [name] = (await server.inboxFiles(inbox)).filter((file) => file.startsWith("uploads/"));
  return name === undefined ? -1 : (await stat(`${inbox}/${name}`)).size;
}

async function accepted(server: ServerProcess): Promise<unknown> {
  const { request, response } = upload(server, { ...pushHeaders(ALICE, CONTENT), ...LENGTH });
  request.end(CONTENT);
  return await response;
}

async function expectStanding(server: ServerProcess, inbox = server.layout.inbox): Promise<void> {
  const payload = await readFile(`${inbox}/175/${ALICE.hotkey}.safetensors`);
  expect(sha256Of(payload)).toBe(sha256Of(CONTENT));
  const receipt = JSON.parse(await readFile(`${inbox}/175/${ALICE.hotkey}.json`, "utf8"));
  expect(receipt.source).toMatchObject({ kind: "push", bytes: CONTENT.length, sha256: sha256Of(CONTENT) });
}

describe("a server that is killed", () => {
  test("in the middle of uploads leaves nothing behind after its next start, and takes them then", async () => {
    await using server = await ServerProcess.prepare();
    await server.start();
    const uploads = [upload(server, pushHeaders(ALICE, CONTENT)), upload(server, pushHeaders(EDDY, CONTENT))];
    for (const { request } of uploads) request.write(CONTENT.subarray(0, 4 * MIB));
    await until(async () => (await server.inboxFiles()).length === 2 && (await uploadedBytes(server)) > 0);
    await server.kill();
    const left = await server.inboxFiles();

    await server.start();

    expect(left).toHaveLength(2);
    expect(left.every((name) => name.startsWith("uploads/"))).toBe(true);
    expect(await server.inboxFiles()).toEqual([]);
    expect(await accepted(server)).toEqual({ status: 202, error: undefined });
    await expectStanding(server);
  });

  test("as soon as an upload is complete has the whole submission or none of it", async () => {
    await using server = await ServerProcess.prepare();
    let standing = 0;
    for (const wanted of ["last byte on the disk", "payload in its place", "receipt there"] as const) {
      await server.start();
      const { request } = upload(server, pushHeaders(ALICE, CONTENT));
      request.end(CONTENT);
      const reached = { "last byte on the disk": 1, "payload in its place": 2, "receipt there": 3 }[wanted];
      await until(async () => (await stageOf(server)) >= reached);
      await server.kill();
      await server.start();
      const files = await server.inboxFiles();
      expect([[], STANDING]).toContainEqual(files);
      if (files.length > 0) {
        standing += 1;
        await expectStanding(server);
      }
      await server.kill();
      if (wanted !== "receipt there") await rm(`${server.layout.inbox}/175`, { recursive: true, force: true });
    }
    expect(standing).toBeGreaterThan(0);
  });
});

/** How far the only upload has come: 1 on the disk, 2 in its place, 3 a submission. */
async function stageOf(server: ServerProcess): Promise<number> {
  const files = await server.inboxFiles();
  if (files.includes(STANDING[0] ?? "")) return 3;
  if (files.includes(STANDING[1] ?? "")) return 2;
  return (await uploadedBytes(server).catch(() => 0)) === CONTENT.length ? 1 : 0;
}

test("a client that goes away leaves nothing, and the server goes on", async () => {
  await using server = await ServerProcess.prepare();
  await server.start();
  for (const sent of [1, 100_000, 4 * MIB, CONTENT.length - 1]) {
    const { request } = upload(server, { ...pushHeaders(ALICE, CONTENT), ...LENGTH });
    request.write(CONTENT.subarray(0, sent));
    await until(async () => (await uploadedBytes(server)) >= Math.min(sent, 1));
    request.destroy();
    await until(async () => (await server.inboxFiles()).length === 0);
  }

  expect(await accepted(server)).toEqual({ status: 202, error: undefined });
  expect(await server.inboxFiles()).toEqual(STANDING);
});

describe("a full disk", () => {
  const canMount = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]).status === 0;
  /** A volume of 12 MiB that only the server sees and that ends with it. */
  const onSmallVolume = ({ layout }: ServerProcess): Launcher => {
    const mount = `mount -t tmpfs -o size=12m none ${layout.inbox}`;
    return ["unshare", "--mount", "sh", "-c", `${mount} && exec "$@"`, "sh"];
  };

  test.skipIf(!canMount)("before an upload refuses it at once (needs the right to mount a tmpfs)", async () => {
    await using server = await ServerProcess.prepare();
    await server.start(["--inbox_reserve_bytes=8000000"], onSmallVolume(server));
    const { request, response } = upload(server, { ...pushHeaders(ALICE, CONTENT), ...LENGTH });
    request.flushHeaders();

    expect(await response).toEqual({ status: 507, error: "inbox_full" });
    request.destroy();
    expect(await server.inboxFiles(server.inbox)).toEqual([]);
  });

  test.skipIf(!canMount)("in the middle of an upload, or at its receipt, leaves nothing but room", async () => {
    await using server = await ServerProcess.prepare();
    await server.start(["--inbox_reserve_bytes=0"], onSmallVolume(server));
    for (const sent of [4 * MIB, CONTENT.length]) {
      const { request, response } = upload(server, pushHeaders(ALICE, CONTENT));
      request.write(CONTENT.subarray(0, sent));
      await until(async () => (await uploadedBytes(server, server.inbox)) === sent);
      await fill(`${server.inbox}/filler`);
      request.end(CONTENT.subarray(sent));

      expect(await response).toEqual({ status: 507, error: "inbox_full" });
      expect(await server.inboxFiles(server.inbox)).toEqual(["filler"]);
      await rm(`${server.inbox}/filler`);
    }

    expect(await accepted(server)).toEqual({ status: 202, error: undefined });
    await expectStanding(server, server.inbox);
    expect(server.lines.filter((line) => line.includes("[ERROR] No room for uploads"))).toHaveLength(1);
  });

  test("that is a limit on the size of files is the same refusal", async () => {
    await using server = await ServerProcess.prepare();
    // In blocks of 512 bytes or of 1 KiB, by the shell: 2 or 4 MiB.
    await server.start([], ["sh", "-c", 'ulimit -f 4096 && exec "$@"', "sh"]);
    const { request, response } = upload(server, { ...pushHeaders(ALICE, CONTENT), ...LENGTH });
    request.end(CONTENT);

    expect(await response).toEqual({ status: 507, error: "inbox_full" });
    expect(await server.inboxFiles()).toEqual([]);
  });
});

async function fill(path: string): Promise<void> {
  const error = await writeFile(path, new Uint8Array(16 * MIB)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "ENOSPC" });
}
