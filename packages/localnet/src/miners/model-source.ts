import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { CheckpointError } from "@assay/checkpoint/checkpoint-error";
import { ChunkClient } from "@assay/checkpoint/download/chunk-client";
import { FULL_FILE } from "@assay/checkpoint/layout";
import { readTensors } from "@assay/checkpoint/safetensors/read";
import type { ChunkedFile, ChunkList } from "@assay/core/chunk-list";
import type { ExpertGroup, Hotkey, ModelVersion, Sha256Hex } from "@assay/core/units";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { parseModelConfig } from "@assay/evaluation/model/config-json";
import { retry } from "@assay/runtime/time/retry";
import type { ModelTensors } from "../training/tensors.ts";
import type { Journal } from "./journal.ts";
import { MinerError, MinerErrorCode } from "./miner-error.ts";

export interface ModelSourceOptions {
  readonly modelServerUrl: string;
  readonly authToken: string;
  readonly group: ExpertGroup;
  readonly hotkey: Hotkey;
  readonly workDirectory: string;
}

/** One version of the model, as far as the miner asked for it. */
export interface GivenModel {
  readonly version: ModelVersion;
  /** The tensors of the miner's own group. */
  readonly own: ModelTensors;
  /** The whole model and its shape; null for a miner that does not train. */
  readonly whole: { readonly config: ModelConfig; readonly tensors: ModelTensors } | null;
}

interface Config {
  readonly etag: string | null;
  readonly version: ModelVersion;
  readonly bytes: Buffer;
}

/** Downloads the model from a validator's model server. What did not change is not sent again. */
export class ModelSource {
  private readonly journal: Journal;
  private readonly options: ModelSourceOptions;
  private readonly chunks: ChunkClient;
  /** Digests of the files that are here whole, by path. */
  private readonly complete = new Map<string, Sha256Hex>();
  private config: Config | null = null;

  constructor({ journal }: { readonly journal: Journal }, options: ModelSourceOptions) {
    this.journal = journal;
    this.options = options;
    this.chunks = new ChunkClient({
      ...CHUNK_OPTIONS,
      serverUrl: options.modelServerUrl,
      headersFor: () => this.headers,
    });
  }

  /** Asks again until everything arrived in one version or the signal is aborted. */
  async fetchModel(needsWhole: boolean, signal: AbortSignal): Promise<GivenModel> {
    return await retry(() => this.fetchOnce(needsWhole, signal), {
      attempts: Number.POSITIVE_INFINITY,
      baseMillis: 100,
      maxMillis: 1000,
      signal,
      onRetry: (error, attempt) => {
        if (attempt === 1) this.journal("download_retry", {}, error);
      },
    });
  }

  private async fetchOnce(needsWhole: boolean, signal: AbortSignal): Promise<GivenModel> {
    const list = await this.chunks.list(signal).catch(asRefusal);
    const version = versionIn(list.model_version);
    const own = await this.tensors(list, ({ expert_group }) => expert_group === this.options.group, signal);
    if (!needsWhole) return { version, own, whole: null };
    const tensors = await this.tensors(list, ({ name }) => name === FULL_FILE, signal);
    const config = await this.modelConfig(signal);
    if (config.version !== version) throw refused("The version changed between two parts", { retryable: true });
    return { version, own, whole: { config: parseModelConfig(JSON.parse(config.bytes.toString("utf8"))), tensors } };
  }

  /** One file of the version, put together from what lies here of the one before and from the chunks that changed. */
  private async tensors(
    list: ChunkList,
    isWanted: (file: ChunkedFile) => boolean,
    signal: AbortSignal,
  ): Promise<ModelTensors> {
    const file = list.files.find(isWanted);
    if (file === undefined) throw refused("The manifest lacks a file", { retryable: true });
    const path = join(this.options.workDirectory, `model-${basename(file.name)}`);
    if (this.complete.get(path) !== file.sha256) {
      const wanted = { path, file, chunkBytes: list.chunk_bytes, older: [path] };
      await this.chunks.fetch(wanted, signal).catch(asRefusal);
      this.complete.set(path, file.sha256);
    }
    return (await readTensors(path)).tensors;
  }

  private async modelConfig(signal: AbortSignal): Promise<Config> {
    const { modelServerUrl } = this.options;
    const known = this.config;
    const response = await request(`${modelServerUrl}/model/partial?part=config`, {
      headers: { ...this.headers, ...(known?.etag != null && { "If-None-Match": known.etag }) },
      signal,
    });
    const version = versionOf(response);
    const bytes = response.status === 304 && known ? known.bytes : await bodyOf(response);
    this.config = { etag: response.headers.get("etag"), version, bytes };
    return this.config;
  }

  private get headers() {
    const { authToken, group, hotkey } = this.options;
    return { Authorization: `Bearer ${authToken}`, "X-Expert-Group": String(group), "X-Hotkey": hotkey };
  }
}

/** The validator is the operator's own choice, and on a local subnet it is on this machine. */
const CHUNK_OPTIONS = {
  allowPrivateAddresses: true,
  parallel: 4,
  attempts: 3,
  retryMillis: 100,
  stallMillis: 10_000,
  deadlineMillis: 3_600_000,
};

/** A miner's words for what the client says. */
function asRefusal(error: unknown): never {
  if (!(error instanceof CheckpointError)) throw error;
  const { status, detail } = error.fields;
  throw refused("The model server refused a download", {
    retryable: isRetryable(Number(status)),
    fields: { status, detail },
    cause: error,
  });
}

/** Before the server's view of the chain has caught up it does not know our group, and calls it forbidden. */
function isRetryable(status: number): boolean {
  return status !== 401 && status !== 400;
}

const REQUEST_DEADLINE_MILLIS = 10_000;

/** @returns a response with a status of success, 304 included. */
async function request(url: string, init: RequestInit & { readonly signal: AbortSignal }): Promise<Response> {
  const signal = AbortSignal.any([init.signal, AbortSignal.timeout(REQUEST_DEADLINE_MILLIS)]);
  const response = await fetch(url, { ...init, signal }).catch((cause: unknown) => {
    init.signal.throwIfAborted();
    throw refused("The model server does not answer", { retryable: true, cause });
  });
  if (response.ok || response.status === 304) return response;
  const detail = await response.text().catch(() => "");
  const { status } = response;
  throw refused("The model server refused a download", { retryable: isRetryable(status), fields: { status, detail } });
}

async function bodyOf(response: Response): Promise<Buffer> {
  const bytes = Buffer.from(
    await response.arrayBuffer().catch((cause: unknown) => {
      throw refused("The download broke off", { retryable: true, cause });
    }),
  );
  const expected = response.headers.get("x-content-hash");
  const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (expected === null || expected === actual) return bytes;
  throw refused("The bytes do not hash to X-Content-Hash", { retryable: true, fields: { expected, actual } });
}

function versionOf(response: Response): ModelVersion {
  const meta: unknown = JSON.parse(response.headers.get("x-model-meta") ?? "{}");
  return versionIn(
    typeof meta === "object" && meta !== null && "model_version" in meta ? String(meta.model_version) : "",
  );
}

/** The number in `model_version`, which is written as `step_<n>`. */
function versionIn(name: string): ModelVersion {
  const number = /^(?:step_)?(\d+)$/.exec(name)?.[1];
  if (number === undefined) throw refused("The answer names no version", { fields: { name } });
  return Number(number);
}

function refused(message: string, options: ConstructorParameters<typeof MinerError>[2]): MinerError {
  return new MinerError(MinerErrorCode.ServerRefused, message, options);
}
