import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { Network } from "@assay/core/network";
import type { Hotkey, Netuid } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { startRedisServer } from "@assay/testing/redis/private-redis";
import type { Part } from "./cast.ts";
import type { CommitReveal } from "./commit-reveal.ts";
import { sendDevCommand } from "./dev-command.ts";
import { freePort } from "./free-port.ts";
import { LocalProcess } from "./local-process.ts";
import { MODULES, type StageFolders, writeNetworkFile } from "./stage-files.ts";

export interface LocalSubnetOptions {
  readonly folders: StageFolders;
  readonly network: Network;
  readonly parts: readonly Part[];
  /** Hotkey of the validator when `evaluatorEnv` names another key than the usual one. */
  readonly validatorHotkey?: Hotkey;
  /** Settings of the evaluator beside those the stage decides, as environment variables. */
  readonly evaluatorEnv?: Readonly<Record<string, string>>;
  /** How the subnet hides weights; it does not when not given. */
  readonly commitReveal?: CommitReveal | undefined;
  /** Rules of the chain beside those the stage decides. */
  readonly hyperparameters?: Readonly<Record<string, boolean | number>>;
  /** Addresses under which the evaluator finds the chain, the preferred ones first; the chain's own unless given. */
  readonly chainRoutes?: (chainUrl: string) => Promise<readonly string[]>;
  /** Hears each line that a process prints. */
  readonly onLine?: (process: string, line: string) => void;
}

export const LOCAL_NETUID: Netuid = 2;
export const VALIDATOR_URI = "//Validator//0";
export const VALIDATOR_UID = 0;

/** Stake of the validator: 1000 TAO. */
const STAKE_RAO = 10n ** 12n;
/** The demo's cycles are short and its commitments many: no space limit worth the name. */
const CHAIN_RULES = { tempo: 40, weightsSetRateLimit: 20, maxSpace: 1_000_000 };
/** Fast blocks want fast rounds: one in five blocks. */
const BEACON_PERIOD_SECONDS = 1;
const READY_DEADLINE_MILLIS = 60_000;
const READY_POLL_MILLIS = 100;

/** A chain, a Redis, both services of one validator and a cast of miners, each a process of its own. */
export class LocalSubnet {
  readonly #options: LocalSubnetOptions;
  readonly #token = randomBytes(24).toString("hex");
  readonly #stops: (() => Promise<unknown>)[] = [];
  readonly #miners: LocalProcess[] = [];
  #ports = { evaluatorAdmin: 0, modelServer: 0, modelServerAdmin: 0 };
  #redisUrl = "";
  #chainUrl = "";
  #chainRoutes: readonly string[] = [];
  #evaluator: LocalProcess | null = null;

  constructor(options: LocalSubnetOptions) {
    this.#options = options;
  }

  get chainUrl(): string {
    return this.#chainUrl;
  }

  get redisUrl(): string {
    return this.#redisUrl;
  }

  get ledgerPath(): string {
    return join(this.#options.folders.cache, "ledger.sqlite");
  }

  /** Process of the running evaluator; 0 without one. */
  get evaluatorPid(): number {
    return this.#evaluator?.pid ?? 0;
  }

  /** Address of the evaluator's private port. */
  get evaluatorAdminUrl(): string {
    return `http://127.0.0.1:${this.#ports.evaluatorAdmin}`;
  }

  get modelServerUrl(): string {
    return `http://127.0.0.1:${this.#ports.modelServer}`;
  }

  /**
   * Starts everything; the chain stands still until {@link run}.
   *
   * @param model resolves when the base model and the held-out text are written; miners start meanwhile.
   */
  async start(logger: Logger, model: Promise<void> = Promise.resolve()): Promise<void> {
    const { folders, network } = this.#options;
    await writeNetworkFile(folders.networkFile, network);
    this.#ports = {
      evaluatorAdmin: await freePort(),
      modelServer: await freePort(),
      modelServerAdmin: await freePort(),
    };
    await this.#startRedis();
    await this.#startChain();
    this.#chainRoutes = (await this.#options.chainRoutes?.(this.#chainUrl)) ?? [this.#chainUrl];
    logger.info("Chain started", { endpoint: this.#chainUrl });
    const miners = this.#options.parts.map((part, index) => this.#startMiner(part, index));
    await Promise.all([...miners, model]);
    logger.info("Miners started", { miners: this.#options.parts.length });
    await Promise.all([this.startEvaluator(), this.#startModelServer()]);
    logger.info("Validator started", { modelServer: this.modelServerUrl, metrics: this.evaluatorAdminUrl });
  }

  /** Lets the chain build blocks. */
  async run(): Promise<void> {
    await sendDevCommand(this.#chainUrl, "dev_resume");
  }

  /** Stops everything in reverse order; @returns the exit codes that were not 0, by process. */
  async stop(): Promise<ReadonlyMap<string, number>> {
    const codes = await Promise.all(this.#miners.map(async (miner) => [miner.name, await miner.stop()] as const));
    if (this.#evaluator !== null) codes.push(["evaluator", await this.#evaluator.stop()]);
    this.#evaluator = null;
    for (const stop of this.#stops.reverse()) {
      const result = await stop();
      if (Array.isArray(result)) codes.push(result as [string, number]);
    }
    this.#stops.length = 0;
    return new Map(codes.filter(([, code]) => code !== 0));
  }

  /** Ends the evaluator as a power cut would. */
  async killEvaluator(): Promise<void> {
    await this.#evaluator?.kill();
    this.#evaluator = null;
  }

  async startEvaluator(): Promise<void> {
    const { folders, evaluatorEnv = {} } = this.#options;
    const evaluator = this.#launch("evaluator", MODULES.evaluator, [], {
      HOTKEY_URI: VALIDATOR_URI,
      CHAIN_ENDPOINT: this.#chainRoutes.join(","),
      NETUID: String(LOCAL_NETUID),
      NETWORK: folders.networkFile,
      EVAL_DATASET_PATH: folders.heldOut,
      EVALUATION_TOKEN_CACHE_DIR: join(folders.root, "tokens"),
      DOWNLOADS_ALLOW_PRIVATE_ADDRESSES: "true",
      ADMIN_PORT: String(this.#ports.evaluatorAdmin),
      STATUS_EVERY_BLOCKS: "25",
      DOPPELGANGER_BLOCKS: "2", // the longer the safer, but here each block counts
      ...this.#sharedEnv(),
      ...evaluatorEnv,
    });
    this.#evaluator = evaluator;
    await evaluator.waitFor(answers(`${this.evaluatorAdminUrl}/ready`), READY_DEADLINE_MILLIS, "getting ready");
  }

  /** A client of the chain that cannot sign. */
  createChainReader(logger: Logger): PolkadotChainClient {
    return new PolkadotChainClient(
      { logger, signer: null },
      { endpoints: [this.#chainUrl], requestDeadlineMillis: 15_000, headSilenceMillis: 60_000 },
    );
  }

  async #startRedis(): Promise<void> {
    const { REDIS_URL } = process.env;
    if (REDIS_URL !== undefined && REDIS_URL !== "") {
      this.#redisUrl = REDIS_URL;
      return;
    }
    const redis = await startRedisServer();
    this.#stops.push(() => redis.stop());
    this.#redisUrl = redis.url;
  }

  async #startChain(): Promise<void> {
    const { folders, network, parts, validatorHotkey, commitReveal, hyperparameters } = this.#options;
    const validator = validatorHotkey ?? (await loadHotkey({ uri: VALIDATOR_URI })).address;
    const miners = await Promise.all(parts.map((_, index) => loadHotkey({ uri: minerUri(index) })));
    const config = {
      netuid: LOCAL_NETUID,
      blockMillis: network.blockMillis,
      neurons: [
        { hotkey: validator, stakeRao: STAKE_RAO.toString(), permit: true },
        ...miners.map(({ address }) => ({ hotkey: address })),
      ],
      hyperparameters: { ...CHAIN_RULES, ...hidingRules(commitReveal), ...hyperparameters },
      beaconPeriodSeconds: BEACON_PERIOD_SECONDS,
    };
    const file = join(folders.root, "chain.json");
    await writeFile(file, JSON.stringify(config, null, 2));
    const ready = Promise.withResolvers<string>();
    const chain = this.#launch("chain", MODULES.chain, ["--config", file], {}, (line) => {
      if (line.startsWith("{")) ready.resolve((JSON.parse(line) as { ws: string }).ws);
    });
    this.#stops.push(async () => [chain.name, await chain.stop()]);
    this.#chainUrl = await chain.waitFor(ready.promise, READY_DEADLINE_MILLIS, "getting ready");
    await sendDevCommand(this.#chainUrl, "dev_pause");
  }

  async #startModelServer(): Promise<void> {
    const server = this.#launch("model-server", MODULES.modelServer, [], {
      BZ_AUTH_TOKEN: this.#token,
      ALLOW_CONTEXT: "true",
      RATE_LIMIT_REQUESTS: "10000", // all miners share one address
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: String(this.#ports.modelServer),
      ADMIN_PORT: String(this.#ports.modelServerAdmin),
      ...this.#sharedEnv(),
    });
    this.#stops.push(async () => [server.name, await server.stop()]);
    await server.waitFor(answers(`${this.modelServerUrl}/health`), READY_DEADLINE_MILLIS, "getting ready");
  }

  #sharedEnv(): Record<string, string> {
    const { folders } = this.#options;
    return {
      MODEL_PATH: folders.model,
      CHECKPOINT_CACHE_DIR: folders.cache,
      REDIS_URL: this.#redisUrl,
      LOG_DIRECTORY: folders.logs,
    };
  }

  async #startMiner({ copies, ...part }: Part, index: number): Promise<void> {
    const { folders } = this.#options;
    const name = `miner-${index + 1}`;
    const file = join(folders.miners, `${name}.json`);
    const config = {
      uri: minerUri(index),
      ...part,
      netuid: LOCAL_NETUID,
      chainEndpoint: this.#chainUrl,
      modelServerUrl: this.modelServerUrl,
      authToken: this.#token,
      workDirectory: join(folders.miners, name),
      networkFile: folders.networkFile,
      seed: copies ?? index + 1,
    };
    await writeFile(file, JSON.stringify(config, null, 2));
    const ready = Promise.withResolvers<void>();
    const miner = this.#launch(name, MODULES.miner, ["--config", file], {}, (line) => {
      if (line.includes('"event":"started"')) ready.resolve();
    });
    this.#miners.push(miner);
    await miner.waitFor(ready.promise, READY_DEADLINE_MILLIS, "getting ready");
  }

  #launch(
    name: string,
    module: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    onOwnLine?: (line: string) => void,
  ): LocalProcess {
    const { folders, onLine } = this.#options;
    return new LocalProcess({
      name,
      module,
      args,
      env,
      logFile: join(folders.logs, `${name}.out.log`),
      onLine: (line) => {
        onOwnLine?.(line);
        onLine?.(name, line);
      },
    });
  }
}

/** Key of the miner at this place of the cast, for tests and demos only: anyone can derive it. */
export function minerUri(index: number): string {
  return `//Miner//${index}`;
}

/** Any version of time-locked commits but 4 leaves validators the way of hashes. */
function hidingRules(way: CommitReveal | undefined): Readonly<Record<string, boolean | number>> {
  if (way === undefined) return {};
  return { commitRevealWeightsEnabled: true, commitRevealWeightsVersion: way === "timelocked" ? 4 : 3 };
}

/** Resolves once an HTTP server says that all is well. */
async function answers(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(url).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MILLIS));
  }
}
