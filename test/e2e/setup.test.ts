import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const BOOTSTRAP = fileURLToPath(new URL("../../config/toolchain/bootstrap.mjs", import.meta.url));
/** The user who owns nothing, on every Linux. */
const NOBODY = 65_534;

let programs = "";
beforeEach(async () => {
  programs = await mkdtemp(join(tmpdir(), "assay-e2e-setup-"));
  await chmod(programs, 0o755);
});
afterEach(async () => await rm(programs, { recursive: true, force: true }));

/** Runs the setup with a PATH that holds only what it is given; pnpm itself, which may be a script, has the whole one. */
async function setUp(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly uid?: number },
) {
  const pnpm = spawnSync("sh", ["-c", "command -v pnpm"], { encoding: "utf8" }).stdout.trim();
  await symlink(process.execPath, join(programs, "node"));
  await writeFile(join(programs, "pnpm"), `#!/bin/sh\nPATH='${process.env["PATH"] ?? ""}' exec '${pnpm}' "$@"\n`, {
    mode: 0o755,
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, [BOOTSTRAP, ...args], {
    env: { PATH: programs, HOME: programs, ...options.env },
    encoding: "utf8",
    timeout: 60_000,
    ...(options.uid !== undefined && process.getuid?.() === 0 && { uid: options.uid }),
  });
  return { status, stdout, stderr };
}

describe("setting up a machine", () => {
  test("a REDIS_URL is respected: nothing is installed", async () => {
    const result = await setUp(["setup"], { env: { REDIS_URL: "redis://127.0.0.1:6390" } });
    expect(result).toEqual({ status: 0, stdout: "[setup] Using the Redis that REDIS_URL names\n", stderr: "" });
  });

  test("without Redis and without the right to install it, one sentence says what to do", async () => {
    const result = await setUp(["setup"], { uid: NOBODY });
    expect(result).toEqual({
      status: 1,
      stdout: "",
      stderr: "Assay needs Redis 7: install redis-server, or set REDIS_URL to one that runs.\n",
    });
  });

  test("an unknown command is named", async () => {
    const result = await setUp(["dance"], {});
    expect(result).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^Unknown command dance: one of demo, .*check, .*setup\.\n$/),
    });
  });
});
