import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@assay/runtime/logging/logger";
import { freePort } from "./free-port.ts";
import { type Launch, READY_DEADLINE_MILLIS, untilItAnswers } from "./launch.ts";
import type { LocalProcess } from "./local-process.ts";
import { MODULES, type StageFolders } from "./stage-files.ts";

export interface LocalValidatorOptions {
  /** Its place among the subnet's validators, from 0: its key and its uid follow from it. */
  readonly index: number;
  /** IP address on loopback on which the model server listens. */
  readonly host: string;
  readonly folders: StageFolders;
  readonly netuid: number;
  readonly redisUrl: string;
  readonly token: string;
  /** Addresses under which the evaluator finds the chain, the preferred ones first. */
  readonly chainRoutes: readonly string[];
  /** Settings of the evaluator beside those the stage decides. */
  readonly evaluatorEnv: Readonly<Record<string, string>>;
  readonly launch: Launch;
}

/** Both services of one validator, each a process of its own, with a checkpoint directory of their own. */
export class LocalValidator {
  readonly name: string;
  readonly #options: LocalValidatorOptions;
  #ports = { evaluatorAdmin: 0, modelServer: 0, modelServerAdmin: 0 };
  #axonUrl: string | null = null;
  #evaluator: LocalProcess | null = null;
  #modelServer: LocalProcess | null = null;

  constructor(options: LocalValidatorOptions) {
    this.#options = options;
    this.name = options.index === 0 ? "validator" : `validator-${options.index + 1}`;
  }

  /** Where both services keep their files. */
  get cache(): string {
    const { folders, index } = this.#options;
    return index === 0 ? folders.cache : join(folders.root, this.name);
  }

  get ledgerPath(): string {
    return join(this.cache, "ledger.sqlite");
  }

  /** Process of the running evaluator; 0 without one. */
  get evaluatorPid(): number {
    return this.#evaluator?.pid ?? 0;
  }

  /** Address of the evaluator's private port. */
  get evaluatorAdminUrl(): string {
    return `http://127.0.0.1:${this.#ports.evaluatorAdmin}`;
  }

  /** Address of the model server's private port. */
  get modelServerAdminUrl(): string {
    return `http://127.0.0.1:${this.#ports.modelServerAdmin}`;
  }

  get modelServerUrl(): string {
    return `http://${this.#options.host}:${this.#ports.modelServer}`;
  }

  /** Chooses its ports; its addresses are known from then on. */
  async settle(): Promise<void> {
    await mkdir(this.cache, { recursive: true });
    this.#ports = {
      evaluatorAdmin: await freePort(),
      modelServer: await freePort(),
      modelServerAdmin: await freePort(),
    };
  }

  /** @param axonUrl where peers are to find the model server; nothing is said on chain unless given. */
  async start(logger: Logger, axonUrl: string | null): Promise<void> {
    this.#axonUrl = axonUrl;
    await Promise.all([this.startEvaluator(), this.startModelServer()]);
    logger.info("Validator started", { modelServer: this.modelServerUrl, metrics: this.evaluatorAdminUrl });
  }

  /** @returns the exit codes, by process. */
  async stop(): Promise<readonly (readonly [name: string, code: number])[]> {
    const running = [this.#evaluator, this.#modelServer].filter((each) => each !== null);
    [this.#evaluator, this.#modelServer] = [null, null];
    const codes: (readonly [string, number])[] = [];
    for (const process of running) codes.push([process.name, await process.stop()]);
    return codes;
  }

  /** Ends the evaluator as a power cut would. */
  async killEvaluator(): Promise<void> {
    await this.#evaluator?.kill();
    this.#evaluator = null;
  }

  async startEvaluator(): Promise<void> {
    const { folders, netuid, chainRoutes, evaluatorEnv, index, launch } = this.#options;
    const evaluator = launch(this.#nameOf("evaluator"), MODULES.evaluator, {
      HOTKEY_URI: validatorUri(index),
      CHAIN_ENDPOINT: chainRoutes.join(","),
      NETUID: String(netuid),
      NETWORK: folders.networkFile,
      EVAL_DATASET_PATH: folders.heldOut,
      EVALUATION_TOKEN_CACHE_DIR: join(folders.root, "tokens"),
      DOWNLOADS_ALLOW_PRIVATE_ADDRESSES: "true",
      ADMIN_PORT: String(this.#ports.evaluatorAdmin),
      STATUS_EVERY_BLOCKS: "25",
      DOPPELGANGER_BLOCKS: "2", // the longer the safer, but here each block counts
      ...axonEnv(this.#axonUrl),
      ...this.#sharedEnv(),
      ...evaluatorEnv,
    });
    this.#evaluator = evaluator;
    const ready = untilItAnswers(`${this.evaluatorAdminUrl}/ready`);
    await evaluator.waitFor(ready, READY_DEADLINE_MILLIS, "getting ready");
  }

  async startModelServer(): Promise<void> {
    const { token, host, launch } = this.#options;
    const server = launch(this.#nameOf("model-server"), MODULES.modelServer, {
      BZ_AUTH_TOKEN: token,
      ALLOW_CONTEXT: "true",
      RATE_LIMIT_REQUESTS: "10000", // all miners share one address
      SERVER_HOST: host,
      SERVER_PORT: String(this.#ports.modelServer),
      ADMIN_PORT: String(this.#ports.modelServerAdmin),
      ...this.#sharedEnv(),
    });
    this.#modelServer = server;
    const ready = untilItAnswers(`${this.modelServerUrl}/health`);
    await server.waitFor(ready, READY_DEADLINE_MILLIS, "getting ready");
  }

  /** The first one's logs have their usual names. */
  #nameOf(service: string): string {
    return this.#options.index === 0 ? service : `${service}-${this.#options.index + 1}`;
  }

  #sharedEnv(): Record<string, string> {
    const { folders, redisUrl, index } = this.#options;
    return {
      MODEL_PATH: folders.model,
      CHECKPOINT_CACHE_DIR: this.cache,
      REDIS_URL: redisUrl,
      QUEUE_PREFIX: index === 0 ? "assay" : `assay-${index + 1}`,
      LOG_DIRECTORY: index === 0 ? folders.logs : join(folders.logs, this.name),
    };
  }
}

/** Key of the validator at this place, for tests and demos only: anyone can derive it. */
export function validatorUri(index: number): string {
  return `//Validator//${index}`;
}

function axonEnv(axonUrl: string | null): Readonly<Record<string, string>> {
  if (axonUrl === null) return {};
  const { hostname, port } = new URL(axonUrl);
  return { AXON_EXTERNAL_IP: hostname, AXON_EXTERNAL_PORT: port };
}
