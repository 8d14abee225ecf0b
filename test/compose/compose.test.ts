import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { RoundScore } from "@assay/core/scoring/round-scores";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import { CONTAINER_CAST } from "@assay/localnet/stage/container-stage";
import { freePort } from "@assay/localnet/stage/free-port";
import { LOCAL_NETUID, VALIDATOR_UID } from "@assay/localnet/stage/local-subnet";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from "vitest";
import { ComposeProject } from "./compose-project.ts";
import { docker, engineProblem } from "./docker.ts";
import { writeRegistryConfig } from "./package-registry.ts";

const BUILD_DEADLINE_MILLIS = 900_000;
const UP_DEADLINE_MILLIS = 300_000;
/** A cycle takes about 65 s, and the first one has already begun when the services are up. */
const CYCLE_DEADLINE_MILLIS = 240_000;
const POLL_MILLIS = 5_000;

const BASE = "docker-compose.yml";
const IMAGES = ["evaluator", "model-server", "localnet"] as const;
const SERVICES = ["redis", "evaluator", "evaluator-worker", "model-server", "localnet-chain", "localnet-miner-1"];
const NEVER_IN_IMAGES = /^(?:typescript|vitest|knip|lefthook|dependency-cruiser|@biomejs\+.+)@/;

/** What the evaluator's memory holds of the newest weights. */
const NEWEST_WEIGHTS = `
  import { Ledger } from "@assay/ledger/ledger";
  import { createLogger } from "@assay/runtime/logging/logger";
  const logger = createLogger({ service: "probe", level: "error", format: "json", stdout: false });
  const ledger = await Ledger.open({ path: "/checkpoints/ledger.sqlite" }, { logger });
  const intent = await ledger.intents.latest();
  const rows = intent === null ? [] : await ledger.scores.rows(intent.roundId);
  await ledger.stop();
  const plain = (_, value) => (typeof value === "bigint" ? String(value) : value);
  process.stdout.write(JSON.stringify({ intent, rows }, plain));
`;

const problem = await engineProblem();
if (problem !== null) process.stderr.write(`test/compose is skipped: no Docker engine can be used (${problem})\n`);

describe.skipIf(problem !== null)("a validator in containers", () => {
  const marker = randomUUID();
  const version = "test";
  let folder = "";
  let chainPort = 0;
  let project: ComposeProject;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-compose-"));
    const npmrc = join(folder, "npmrc");
    await writeRegistryConfig(npmrc, marker);
    chainPort = await freePort();
    project = new ComposeProject({
      name: `assay-test-${process.pid}`,
      files: [BASE, "config/compose/localnet.yml", "test/compose/build.yml"],
      env: {
        ASSAY_TEST_NPMRC: npmrc,
        ASSAY_VERSION: version,
        BZ_AUTH_TOKEN: `token-${marker}`,
        SERVER_PORT: String(await freePort()),
        LOCALNET_CHAIN_PORT: String(chainPort),
      },
    });
    await project.run(["build"], { deadlineMillis: BUILD_DEADLINE_MILLIS });
  });

  afterAll(async () => {
    await project?.run(["down", "--volumes", "--remove-orphans"]);
    await rm(folder, { recursive: true, force: true });
  });

  test.each(IMAGES)(
    "the image %s runs as node and holds no secret, no source, no development package",
    async (name) => {
      const image = `assay/${name}:${version}`;
      const [{ Config: config }] = JSON.parse(await docker(["image", "inspect", image])) as [
        { Config: { User: string } },
      ];
      const history = await docker(["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
      const shell = (script: string) =>
        docker(["run", "--rm", "--network=none", "--user=root", "--entrypoint=sh", image, "-c", script]);

      expect(config.User).toBe("node");
      expect(`${JSON.stringify(config)}${history}`).not.toContain(marker);
      expect(await shell(`grep -rl ${marker} / --exclude-dir=proc --exclude-dir=sys || true`)).toBe("");
      expect(await shell("find / -xdev -not -path '*/node_modules/*' \\( -name .npmrc -o -name '.env*' \\)")).toBe("");
      expect(await shell("find /assay -name '*.ts' -not -path '*/node_modules/*'")).toBe("");
      const packages = (await shell("ls /assay/node_modules/.pnpm")).split("\n");
      expect(packages.length).toBeGreaterThan(50);
      expect(packages.filter((each) => NEVER_IN_IMAGES.test(each))).toEqual([]);
    },
  );

  test("the public edge contains neither chain, nor inference, nor ledger", async () => {
    const image = `assay/model-server:${version}`;
    const list = (folderInImage: string) =>
      docker(["run", "--rm", "--network=none", "--entrypoint=ls", image, folderInImage]);

    expect((await list("/assay/packages")).trim().split("\n")).toEqual(["checkpoint", "core", "runtime"]);
    expect(await list("/assay/node_modules/.pnpm")).not.toMatch(/^(?:@polkadot\+api|onnxruntime|better-sqlite3)@/m);
  });

  test("the hotkey reaches the evaluator alone, and only its owner can write a volume", async () => {
    const env = {
      HOTKEY_URI: `//${marker}`,
      BZ_AUTH_TOKEN: `token-${marker}`,
      WALLET_DIR: `/${marker}`,
      OBJECT_STORE_WRITE_SECRET: `write-${marker}`,
      OBJECT_STORE_READ_SECRET: `read-${marker}`,
    };
    const base = new ComposeProject({ name: "assay", files: [BASE], env });
    const { services } = JSON.parse(await base.run(["config", "--format", "json"])) as ComposeConfig;
    const knowing = (text: string) =>
      Object.keys(services).filter((name) => JSON.stringify(services[name]).includes(text));
    const writers = (volume: string) =>
      Object.keys(services).filter((name) =>
        services[name]?.volumes?.some(({ source, read_only }) => source === volume && read_only !== true),
      );

    expect(Object.keys(services).sort()).toEqual(["evaluator", "evaluator-worker", "model-server", "redis"]);
    expect(knowing(`//${marker}`)).toEqual(["evaluator"]);
    expect(knowing(`"/${marker}"`)).toEqual(["evaluator"]);
    expect(knowing(`token-${marker}`)).toEqual(["model-server"]);
    expect(knowing(`write-${marker}`)).toEqual(["evaluator"]);
    expect(knowing(`read-${marker}`)).toEqual(["model-server"]);
    expect(writers("checkpoints")).toEqual(["evaluator"]);
    expect(writers("inbox")).toEqual(["model-server"]);
    const readers = Object.keys(services).filter((name) =>
      services[name]?.volumes?.some(({ target, read_only }) => target === "/models" && read_only === true),
    );
    expect(readers.sort()).toEqual(["evaluator", "evaluator-worker", "model-server"]);
  });

  describe("with a local subnet", () => {
    beforeAll(async () => {
      await project.run(["up", "--detach", "--wait"], { deadlineMillis: UP_DEADLINE_MILLIS }).catch(withLogs);
      const twoWorkers = ["--scale", "evaluator-worker=2", "evaluator-worker"];
      await project.run(["up", "--detach", "--wait", "--no-deps", ...twoWorkers]);
    });

    test("a cycle ends with the weights on chain that the ledger intended", async () => {
      onTestFailed(async () => void process.stderr.write(`${await lastLines()}\n`));
      const { intent, rows } = await vi.waitFor(verifiedWeights, {
        timeout: CYCLE_DEADLINE_MILLIS,
        interval: POLL_MILLIS,
      });

      expect(await weightsOnChain(intent)).toEqual(intent.uids.map((uid, index) => [uid, intent.weights[index]]));
      expect(Math.max(...intent.weights)).toBe(65_535);
      expect(intent.uids.every((uid) => CONTAINER_CAST[uid - 1]?.kind === "honest")).toBe(true);
      expect(rows.map(({ uid }) => uid)).toEqual(CONTAINER_CAST.map((_, index) => index + 1));
    });

    test("both workers live", async () => {
      const workers = await project.containers("evaluator-worker");
      expect(workers.map(({ State, Health }) => [State, Health])).toEqual([
        ["running", "healthy"],
        ["running", "healthy"],
      ]);
    });

    test("a worker holds no key and reaches nothing but Redis", async () => {
      const reach = `await fetch("http://localnet-chain:9944").catch(({ cause }) => process.stdout.write(cause.code))`;
      expect(await project.run(["exec", "-T", "evaluator-worker", "env"])).not.toMatch(/HOTKEY|TOKEN|WALLET/);
      expect(await project.evaluate("evaluator-worker", reach)).toMatch(/^(?:EAI_AGAIN|ENOTFOUND)$/);
    });

    test.each(SERVICES)("the log of %s appears", async (service) => {
      expect((await project.logs(service)).trim()).not.toBe("");
    });

    test("each service also keeps its log as a file", async () => {
      const files = await project.run(["exec", "-T", "evaluator", "ls", "/logs"]);
      expect(files.trim().split("\n")).toEqual(["evaluator.log", "model-server.log"]);
      expect(await project.logs("evaluator")).toMatch(
        /^\d{4}-\d\d-\d\d [\d:.]+ \[INFO\] Service started \| pid: \d+$/m,
      );
    });

    test("every service stops in time when asked to, with exit code 0", async () => {
      const services = ["evaluator", "evaluator-worker", "model-server", "localnet-chain", "localnet-miner-1"];
      await project.run(["stop", ...services]);
      const stopped = (await Promise.all(services.map((service) => project.containers(service)))).flat();
      expect(stopped.filter(({ State, ExitCode }) => State !== "exited" || ExitCode !== 0)).toEqual([]);
      expect(stopped).toHaveLength(services.length + 1);
    });
  });

  async function verifiedWeights(): Promise<{ intent: WeightIntent; rows: readonly RoundScore[] }> {
    const { intent, rows } = JSON.parse(await project.evaluate("evaluator", NEWEST_WEIGHTS));
    expect(intent).toMatchObject({ state: "verified" });
    return { intent, rows };
  }

  async function weightsOnChain({ block }: WeightIntent): Promise<readonly (readonly [number, number])[]> {
    const chain = new PolkadotChainClient(
      { logger: createMemoryLogger(), signer: null },
      { endpoints: [`ws://127.0.0.1:${chainPort}`], requestDeadlineMillis: 15_000, headSilenceMillis: 60_000 },
    );
    await chain.start(AbortSignal.timeout(60_000));
    try {
      const hash = await chain.blockHash(block ?? 0);
      return await chain.weights(LOCAL_NETUID, VALIDATOR_UID, hash ?? undefined);
    } finally {
      await chain.stop();
    }
  }

  async function lastLines(): Promise<string> {
    return await project.run(["logs", "--no-color", "--tail=40"]);
  }

  async function withLogs(error: unknown): Promise<never> {
    throw new Error(`${String(error)}\n${await lastLines()}`, { cause: error });
  }
});

interface ComposeConfig {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly volumes?: readonly {
          readonly source?: string;
          readonly target?: string;
          readonly read_only?: boolean;
        }[];
      }
    >
  >;
}
