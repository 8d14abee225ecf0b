import { execFile } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Network } from "@assay/core/network";
import { Ledger } from "@assay/ledger/ledger";
import { followCycles } from "@assay/localnet/stage/follow-cycles";
import { LocalProcess } from "@assay/localnet/stage/local-process";
import { LOCAL_NETUID, LocalSubnet, VALIDATOR_UID } from "@assay/localnet/stage/local-subnet";
import { prepareModel } from "@assay/localnet/stage/prepare-model";
import { MODULES, makeFolders, type StageFolders } from "@assay/localnet/stage/stage-files";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { writeWallet } from "@assay/testing/wallet/wallet-folder";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import golden from "../../packages/testing/golden/wallets/encrypted-hotkey.json" with { type: "json" };

const network: Network = {
  name: "secrets-test",
  blockMillis: 250,
  schedule: {
    distribute: 30,
    train: 30,
    minerCommit1: 24,
    minerCommit2: 24,
    submission: 48,
    validate: 24,
    merge: 30,
    validatorCommit1: 24,
    validatorCommit2: 24,
  },
  expertGroups: 4,
  evaluation: { sequences: 32, sequenceLength: 64, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
};
const parts = [{ kind: "honest", group: 0, strength: 8, pull: false }] as const;

const { secretPhrase, secretSeed, privateKey } = golden.keyfile;
const seed = secretSeed.slice(2);
/** The password and the key in every form that the program itself has them in. */
const SECRETS: Readonly<Record<string, Buffer>> = {
  password: Buffer.from(golden.password),
  phrase: Buffer.from(secretPhrase.slice(0, 20)),
  "seed as hexadecimal": Buffer.from(seed),
  "seed as bytes": Buffer.from(seed, "hex"),
  "seed as base64": Buffer.from(Buffer.from(seed, "hex").toString("base64")),
  "private key as hexadecimal": Buffer.from(privateKey.slice(2, 66)),
  "private key as bytes": Buffer.from(privateKey.slice(2, 66), "hex"),
};

const logger = createMemoryLogger();
let root: string;
let folders: StageFolders;
/** Not below the folder that is searched. */
let walletPath: string;
const walletEnv = () => ({
  HOTKEY_URI: "",
  WALLET_PATH: walletPath,
  WALLET_NAME: "validator",
  WALLET_HOTKEY: "default",
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "assay-e2e-secrets-"));
  walletPath = await mkdtemp(join(tmpdir(), "assay-e2e-wallets-"));
  const hotkey = Buffer.from(golden.contentBase64, "base64");
  await writeWallet(walletPath, { walletName: "validator", hotkeyName: "default", hotkey });
  folders = await makeFolders(root);
  await prepareModel(folders, () => undefined);
}, 240_000);

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(walletPath, { recursive: true, force: true });
});

test("an evaluator with an encrypted hotkey sets weights, and nothing that it wrote or started holds a secret", async () => {
  const reports = join(root, "reports");
  await mkdir(reports);
  const evaluatorEnv = {
    ...walletEnv(),
    WALLET_HOTKEY_PASSWORD: golden.password,
    LOG_LEVEL: "debug",
    NODE_OPTIONS: `--report-on-signal --report-directory=${reports}`,
  };
  const subnet = new LocalSubnet({ folders, network, parts, evaluatorEnv, validatorHotkey: golden.address });
  onTestFinished(async () => void (await subnet.stop()));
  await subnet.start(logger);
  await subnet.run();
  expect((await weightsOfFirstCycle(subnet)).length).toBeGreaterThan(0);

  expect(await weightsDiff(subnet)).toMatchObject({ equal: true, intent: { state: "verified" } });
  const children = await descendants(subnet.validator.evaluatorPid);
  const environments = await Promise.all(children.map((pid) => readFile(`/proc/${pid}/environ`)));
  await writeReport(subnet.validator.evaluatorPid, reports);
  await subnet.stop();

  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(files.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["evaluator.log", "evaluator.out.log", "ledger.sqlite", expect.stringMatching(/^report\./)]),
  );
  const found: string[] = [];
  for (const { parentPath, name } of files) {
    found.push(...secretsIn(await readFile(join(parentPath, name))).map((secret) => `${secret} in ${name}`));
  }
  expect(environments.length).toBeGreaterThan(0);
  found.push(...environments.flatMap(secretsIn).map((secret) => `${secret} in a child's environment`));
  expect(found).toEqual([]);
}, 420_000);

test("an evaluator with the wrong password says so by its code, and does not repeat it", async () => {
  const password = "not the one that it was";
  const evaluator = new LocalProcess({
    name: "evaluator",
    module: MODULES.evaluator,
    args: [],
    env: {
      ...walletEnv(),
      WALLET_HOTKEY_PASSWORD: password,
      EVALUATOR_ROLE: "cycle",
      LOG_DIRECTORY: "",
      CHECKPOINT_CACHE_DIR: folders.cache,
    },
    logFile: join(root, "wrong-password.log"),
  });
  expect(await evaluator.exited).toBe(1);
  const log = await readFile(join(root, "wrong-password.log"), "utf8");
  expect(log).toContain("CHAIN_HOTKEY_PASSWORD_WRONG");
  expect(log).not.toContain(password);
}, 120_000);

test("the search finds what it looks for", () => {
  expect(secretsIn(Buffer.from(golden.password))).toEqual(["password"]);
  expect(secretsIn(Buffer.from(JSON.stringify(golden.keyfile)))).toEqual([
    "phrase",
    "seed as hexadecimal",
    "private key as hexadecimal",
  ]);
});

function secretsIn(bytes: Buffer): string[] {
  return Object.entries(SECRETS).flatMap(([name, secret]) => (bytes.includes(secret) ? [name] : []));
}

async function weightsOfFirstCycle(subnet: LocalSubnet) {
  const chain = subnet.createChainReader(logger);
  const ledger = await Ledger.open({ path: subnet.validator.ledgerPath }, { logger });
  await chain.start(AbortSignal.timeout(10_000));
  try {
    const sources = { ledger, chain, parts, validatorUid: VALIDATOR_UID };
    for await (const report of followCycles(sources, { count: 1, network }, AbortSignal.timeout(300_000))) {
      return Object.entries(report.weights.onChain);
    }
    return [];
  } finally {
    await chain.stop();
    await ledger.stop();
  }
}

/** What `assay weights diff` says beside the running evaluator. */
async function weightsDiff({ chainUrl, validator: { ledgerPath } }: LocalSubnet): Promise<unknown> {
  const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
  const args = ["--conditions=source", main, "weights", "diff", "--hotkey", golden.address, "--json"];
  const { PATH } = process.env;
  const env = { PATH, CHAIN_ENDPOINT: chainUrl, NETUID: String(LOCAL_NETUID), LEDGER_PATH: ledgerPath };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  return JSON.parse(stdout);
}

/** Every process below one, from what Linux says of their parents. */
async function descendants(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const direct = children.split(" ").filter((text) => text !== "");
  const all = await Promise.all(direct.map(async (child) => [Number(child), ...(await descendants(Number(child)))]));
  return all.flat();
}

/** Has the process write a diagnostic report, as it would when it crashes, and waits until it is there. */
async function writeReport(pid: number, folder: string): Promise<void> {
  const written = once(watch(folder, { signal: AbortSignal.timeout(30_000) }), "change");
  process.kill(pid, "SIGUSR2");
  await written;
}
