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
import { type Launch, READY_DEADLINE_MILLIS } from "./launch.ts";
import { LocalProcess } from "./local-process.ts";
import { LocalValidator, validatorUri } from "./local-validator.ts";
import { MODULES, type StageFolders, writeNetworkFile } from "./stage-files.ts";

export interface LocalSubnetOptions {
  readonly folders: StageFolders;
  readonly network: Network;
  readonly parts: readonly Part[];
  /** How many validators; one unless given. Miners submit to all of them. */
  readonly validators?: number;
  /** Hotkey of the first validator when `evaluatorEnv` names another key than the usual one. */
  readonly validatorHotkey?: Hotkey;
  /** Settings of the evaluators beside those the stage decides, as environment variables. */
  readonly evaluatorEnv?: Readonly<Record<string, string>>;
  /** How the subnet hides weights; it does not when not given. */
  readonly commitReveal?: CommitReveal | undefined;
  /** Rules of the chain beside those the stage decides. */
  readonly hyperparameters?: Readonly<Record<string, boolean | number>>;
  /** Addresses under which the evaluators find the chain, the preferred ones first; the chain's own unless given. */
  readonly chainRoutes?: (chainUrl: string) => Promise<readonly string[]>;
  /** Where peers find the model server of a validator; its own address unless given. */
  readonly axonRoute?: (index: number, modelServerUrl: string) => Promise<string>;
  /** Hears each line that a process prints. */
  readonly onLine?: (process: string, line: string) => void;
}

export const LOCAL_NETUID: Netuid = 2;
export const VALIDATOR_URI: string = validatorUri(0);
export const VALIDATOR_UID = 0;

/** Stake of a validator: 1000 TAO. */
const STAKE_RAO = 10n ** 12n;
/** The demo's cycles are short and its commitments many: no space limit worth the name. */
const CHAIN_RULES = { tempo: 40, weightsSetRateLimit: 20, maxSpace: 1_000_000 };
/** Fast blocks want fast rounds: one in five blocks. */
const BEACON_PERIOD_SECONDS = 1;

/** A chain, both services of each validator with a Redis of its own, and a cast of miners, each a process of its own. */
export class LocalSubnet {
  readonly #options: LocalSubnetOptions;
  readonly #token = randomBytes(24).toString("hex");
  readonly #stops: (() => Promise<unknown>)[] = [];
  readonly #miners: LocalProcess[] = [];
  readonly #redisUrls: string[] = [];
  readonly #validators: LocalValidator[] = [];
  #chainUrl = "";
  #chainRoutes: readonly string[] = [];

  constructor(options: LocalSubnetOptions) {
    this.#options = options;
  }

  get chainUrl(): string {
    return this.#chainUrl;
  }

  /** Of the first validator. */
  get redisUrl(): string {
    return this.#redisUrls[0] ?? "";
  }

  /** The first validator: the only one of most subnets. Known once the subnet is started. */
  get validator(): LocalValidator {
    const [first] = this.#validators;
    if (first === undefined) throw new RangeError("The subnet is not started");
    return first;
  }

  /** All validators, in the order of their uids. */
  get validators(): readonly LocalValidator[] {
    return this.#validators;
  }

  /**
   * Starts everything; the chain stands still until {@link run}.
   *
   * @param model resolves when the base model and the held-out text are written; miners start meanwhile.
   */
  async start(logger: Logger, model: Promise<void> = Promise.resolve()): Promise<void> {
    const { folders, network, chainRoutes } = this.#options;
    await writeNetworkFile(folders.networkFile, network);
    for (let index = 0; index < this.#count; index += 1) this.#redisUrls.push(await this.#startRedis());
    await this.#startChain();
    this.#chainRoutes = (await chainRoutes?.(this.#chainUrl)) ?? [this.#chainUrl];
    logger.info("Chain started", { endpoint: this.#chainUrl });
    for (let index = 0; index < this.#count; index += 1) this.#validators.push(await this.#settleValidator(index));
    const miners = this.#options.parts.map((part, index) => this.#startMiner(part, index));
    await Promise.all([...miners, model]);
    logger.info("Miners started", { miners: this.#options.parts.length });
    await Promise.all(this.#validators.map((each, index) => this.#startValidator(each, index, logger)));
  }

  /** Lets the chain build blocks. */
  async run(): Promise<void> {
    await sendDevCommand(this.#chainUrl, "dev_resume");
  }

  /** Stops everything in reverse order; @returns the exit codes that were not 0, by process. */
  async stop(): Promise<ReadonlyMap<string, number>> {
    const codes = await Promise.all(this.#miners.map(async (miner) => [miner.name, await miner.stop()] as const));
    for (const ended of await Promise.all(this.#validators.map((each) => each.stop()))) codes.push(...ended);
    for (const stop of this.#stops.reverse()) {
      const result = await stop();
      if (Array.isArray(result)) codes.push(result as [string, number]);
    }
    this.#stops.length = 0;
    return new Map(codes.filter(([, code]) => code !== 0));
  }

  /** A client of the chain that cannot sign. */
  createChainReader(logger: Logger): PolkadotChainClient {
    return new PolkadotChainClient(
      { logger, signer: null },
      { endpoints: [this.#chainUrl], requestDeadlineMillis: 15_000, headSilenceMillis: 60_000 },
    );
  }

  get #count(): number {
    return this.#options.validators ?? 1;
  }

  async #startRedis(): Promise<string> {
    const { REDIS_URL } = process.env;
    if (REDIS_URL !== undefined && REDIS_URL !== "") return REDIS_URL;
    const redis = await startRedisServer();
    this.#stops.push(() => redis.stop());
    return redis.url;
  }

  async #settleValidator(index: number): Promise<LocalValidator> {
    const { folders, evaluatorEnv = {} } = this.#options;
    const validator = new LocalValidator({
      index,
      // The chain takes 127.0.0.1 for no address at all.
      host: this.#count === 1 ? "127.0.0.1" : `127.0.0.${index + 2}`,
      folders,
      netuid: LOCAL_NETUID,
      redisUrl: this.#redisUrls[index] ?? "",
      token: this.#token,
      chainRoutes: this.#chainRoutes,
      evaluatorEnv,
      launch: this.#launch,
    });
    await validator.settle();
    return validator;
  }

  async #startValidator(validator: LocalValidator, index: number, logger: Logger): Promise<void> {
    const { axonRoute } = this.#options;
    const { modelServerUrl } = validator;
    const axonUrl = (await axonRoute?.(index, modelServerUrl)) ?? (this.#count === 1 ? null : modelServerUrl);
    await validator.start(logger, axonUrl);
  }

  async #startChain(): Promise<void> {
    const { folders, network, parts, validatorHotkey, commitReveal, hyperparameters } = this.#options;
    const uris = Array.from({ length: this.#count }, (_, index) => validatorUri(index));
    const validators = await Promise.all(uris.map(async (uri) => (await loadHotkey({ uri })).address));
    const miners = await Promise.all(parts.map((_, index) => loadHotkey({ uri: minerUri(index) })));
    const config = {
      netuid: LOCAL_NETUID,
      blockMillis: network.blockMillis,
      neurons: [
        ...validators.map((address, index) => ({
          hotkey: index === 0 ? (validatorHotkey ?? address) : address,
          stakeRao: STAKE_RAO.toString(),
          permit: true,
        })),
        ...miners.map(({ address }) => ({ hotkey: address })),
      ],
      hyperparameters: { ...CHAIN_RULES, ...hidingRules(commitReveal), ...hyperparameters },
      beaconPeriodSeconds: BEACON_PERIOD_SECONDS,
    };
    const file = join(folders.root, "chain.json");
    await writeFile(file, JSON.stringify(config, null, 2));
    const ready = Promise.withResolvers<string>();
    const onLine = (line: string) => {
      if (line.startsWith("{")) ready.resolve((JSON.parse(line) as { ws: string }).ws);
    };
    const chain = this.#launch("chain", MODULES.chain, {}, { args: ["--config", file], onLine });
    this.#stops.push(async () => [chain.name, await chain.stop()]);
    this.#chainUrl = await chain.waitFor(ready.promise, READY_DEADLINE_MILLIS, "getting ready");
    await sendDevCommand(this.#chainUrl, "dev_pause");
  }

  async #startMiner({ copies, ...part }: Part, index: number): Promise<void> {
    const { folders } = this.#options;
    const name = `miner-${index + 1}`;
    const file = join(folders.miners, `${name}.json`);
    const servers = this.#validators.map(({ modelServerUrl }) => ({ modelServerUrl, authToken: this.#token }));
    // Each downloads from another one.
    const [own, ...others] = servers.map((_, turn) => servers[(index + turn) % servers.length]);
    const config = {
      uri: minerUri(index),
      ...part,
      netuid: LOCAL_NETUID,
      chainEndpoint: this.#chainUrl,
      ...own,
      submitAlsoTo: others,
      workDirectory: join(folders.miners, name),
      networkFile: folders.networkFile,
      seed: copies ?? index + 1,
    };
    await writeFile(file, JSON.stringify(config, null, 2));
    const ready = Promise.withResolvers<void>();
    const onLine = (line: string) => {
      if (line.includes('"event":"started"')) ready.resolve();
    };
    const miner = this.#launch(name, MODULES.miner, {}, { args: ["--config", file], onLine });
    this.#miners.push(miner);
    await miner.waitFor(ready.promise, READY_DEADLINE_MILLIS, "getting ready");
  }

  readonly #launch: Launch = (name, module, env, { args = [], onLine: onOwnLine } = {}) => {
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
  };
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
