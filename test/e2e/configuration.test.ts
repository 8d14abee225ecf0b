import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const main = (service: string) => fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-e2e-config-"));
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

/** Starts a service that is expected to end by itself. */
function start(service: string, args: readonly string[], env: Record<string, string> = {}) {
  const { PATH = "", HOME = "" } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--conditions=source", main(service), ...args], {
    cwd: folder,
    env: { PATH, HOME, ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, output: stdout + stderr };
}

describe.each(["evaluator", "model-server"])("%s", (service) => {
  test("reports unknown keys and bad values together with their lines, and starts nothing", async () => {
    await writeFile(
      join(folder, `${service}.yaml`),
      "netuid: 2\nserver_prot: 8080\nchekpoint_cache_dir: ./cache\nserver_port: high\n",
    );
    const { status, output } = start(service, ["--path", folder], { BZ_AUTH_TOKEN: "secret-token" });
    expect(status).toBe(2);
    expect(output).toMatch(/server_prot.*line: 2/);
    expect(output).toMatch(/chekpoint_cache_dir.*line: 3/);
    expect(output).toMatch(/server_port.*line: 4/);
    expect(output).not.toContain("secret-token");
    expect(existsSync(join(folder, "validator-cache"))).toBe(false);
  });

  test("--help lists every setting with its default", () => {
    const { status, output } = start(service, ["--help"]);
    expect(status).toBe(0);
    expect(output).toMatch(/checkpoint[-_]cache[-_]dir/);
    expect(output).toContain("--path");
  });
});

test("the model server refuses to start without a token, unless told that this is development", () => {
  const { status, output } = start("model-server", []);
  expect(status).toBe(2);
  expect(output).toContain("BZ_AUTH_TOKEN");
});

test("the evaluator names the wallet file that it cannot read, and not what is in it", () => {
  const { status, output } = start("evaluator", ["--wallet-path", folder, "--network", "localnet"]);
  expect(status).toBe(1);
  expect(output).toMatch(/CHAIN_\w+/);
  expect(output).toContain("my-validator-hotkey");
});
