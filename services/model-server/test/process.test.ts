import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE } from "./miners.ts";
import { bytesOfBody, openDownload } from "./raw-client.ts";
import { ServerFixture, TOKEN } from "./server-fixture.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let directory: string;
let running: ChildProcess | null = null;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "assay-model-server-"));
});
afterEach(async () => {
  running?.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

function start(args: readonly string[], env: Record<string, string>): ChildProcess {
  const { PATH } = process.env;
  const child = spawn(process.execPath, ["--conditions=source", MAIN, ...args], {
    cwd: directory,
    env: { PATH, REDIS_URL: `unix://${directory}/no-redis.sock`, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running = child;
  return child;
}

async function ended(child: ChildProcess): Promise<{ code: unknown; output: string }> {
  if (child.stdout === null) {
    throw new Error("The child's output is piped");
  }
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { code, output };
}

describe("the process", () => {
  test("refuses to start without a token", async () => {
    const { code, output } = await ended(start([], {}));

    expect(code).toBe(2);
    expect(output).toContain("MODEL_SERVER_TOKEN_MISSING");
    expect(output).not.toContain("ready on port");
  });

  test("refuses a token in the file, unknown keys and bad values, all at once", async () => {
    await writeFile(
      join(directory, "config.yaml"),
      "auth_token: secret-in-a-file\nserver_prot: 8080\nserver_port: eighty\nserve_phases: [distribute, lunch]\n",
    );

    const { code, output } = await ended(start(["--path", directory], { BZ_AUTH_TOKEN: "t" }));

    expect(code).toBe(2);
    for (const part of ["auth_token", "server_prot", "server_port", "lunch", "line: 1", "line: 2", "line: 3"]) {
      expect(output).toContain(part);
    }
    expect(output).not.toContain("secret-in-a-file");
  });

  test("reads the published keys from a folder, serves, and stops when it is told to", async () => {
    await mkdir(join(directory, "cache"));
    await writeFile(
      join(directory, "config.yaml"),
      [
        "model_path: ./models/base-model",
        "netuid: 42",
        "wallet:",
        "  name: my-wallet",
        "  hotkey: my-validator-hotkey",
        `checkpoint_cache_dir: ${directory}/cache`,
        "server_host: 127.0.0.1",
        "server_port: 0",
        "admin:",
        "  port: 0",
        "score_ema_alpha: 0.9",
        "max_checkpoints_cached: 50",
        "",
      ].join("\n"),
    );
    const child = start(["--path", directory], { BZ_AUTH_TOKEN: "not-to-be-shown" });
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("Service started")) {
        child.kill("SIGTERM");
      }
    });

    const { code, output } = await ended(child);

    expect(code).toBe(0);
    expect(output).toContain("[INFO] Loading base model | model: base-model");
    expect(output).toMatch(/\[INFO\] Model server ready on port \d+/);
    expect(output).not.toContain("not-to-be-shown");
  });

  test("starts without a token only under the development flag, and says so", async () => {
    const child = start(["--development.no_auth", "--server_host=127.0.0.1", "--server_port=0", "--admin.port=0"], {});
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("Service started")) {
        child.kill("SIGTERM");
      }
    });

    const { code, output } = await ended(child);

    expect(code).toBe(0);
    expect(output).toContain("[WARN] Serving without authentication");
  });

  test.each([
    [[], "server_host"],
    [["--tls.certificate=/etc/assay/server.pem", "--allow_plain_http"], "tls"],
  ])("refuses plain HTTP where others reach it, and half a certificate (%j)", async (args, key) => {
    const { code, output } = await ended(start(args, { BZ_AUTH_TOKEN: "t" }));

    expect(code).toBe(2);
    expect(output).toContain(`key: ${key} `);
  });

  test("lets a download end after SIGTERM, and then ends itself", async () => {
    const values = new Uint8Array(16 << 20);
    await using store = await ServerFixture.start({ redisUrl: "redis://127.0.0.1:1", view: distributeView() });
    await store.publish(0, [values, values]);
    const child = start(
      ["--server_host=127.0.0.1", "--server_port=0", "--admin.port=0", `--checkpoint_cache_dir=${store.layout.root}`],
      { BZ_AUTH_TOKEN: TOKEN },
    );
    const end = ended(child);
    const port = await saidBy(child, /ready on port (\d+)/);
    const download = await openDownload(`http://127.0.0.1:${port}`, {
      "x-hotkey": ALICE.hotkey,
      "x-expert-group": "0",
    });

    child.kill("SIGTERM");
    await saidBy(child, /(Draining transfers)/);

    expect(await bytesOfBody(download)).toBe(values.length + 192);
    expect(await end).toMatchObject({ code: 0 });
  });
});

/** What a child's output says; it is read from now on. */
function saidBy(child: ChildProcess, pattern: RegExp): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    const said = pattern.exec(output)?.[1];
    if (said !== undefined) {
      resolve(said);
    }
  });
  return promise;
}
