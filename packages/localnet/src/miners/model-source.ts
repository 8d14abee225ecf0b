import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTensors } from "@assay/checkpoint/safetensors/read";
import type { ExpertGroup, Hotkey, ModelVersion } from "@assay/core/units";
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

type Part = "group" | "context" | "config";

interface ReceivedPart {
  readonly etag: string | null;
  readonly version: ModelVersion;
  readonly bytes: Buffer;
}

/** Downloads the model from a validator's model server. A part that did not change is not sent again. */
export class ModelSource {
  private readonly journal: Journal;
  private readonly options: ModelSourceOptions;
  private readonly received = new Map<Part, ReceivedPart>();

  constructor({ journal }: { readonly journal: Journal }, options: ModelSourceOptions) {
    this.journal = journal;
    this.options = options;
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
    const own = await this.part("group", signal);
    if (!needsWhole) return { version: own.version, own: await this.tensors("group", own), whole: null };
    const context = await this.part("context", signal);
    const config = await this.part("config", signal);
    if (context.version !== own.version || config.version !== own.version) {
      throw refused("The version changed between two parts", { retryable: true });
    }
    const tensors = await this.tensors("context", context);
    return {
      version: own.version,
      own: await this.tensors("group", own),
      whole: { config: parseModelConfig(JSON.parse(config.bytes.toString("utf8"))), tensors },
    };
  }

  private async part(part: Part, signal: AbortSignal): Promise<ReceivedPart> {
    const { modelServerUrl, authToken, group, hotkey } = this.options;
    const known = this.received.get(part);
    const response = await request(`${modelServerUrl}/model/partial?part=${part}`, {
      headers: {
        Authorization: `Bearer ${authToken}`,
        "X-Expert-Group": String(group),
        "X-Hotkey": hotkey,
        ...(known?.etag != null && { "If-None-Match": known.etag }),
      },
      signal,
    });
    const version = versionOf(response);
    const bytes = response.status === 304 && known ? known.bytes : await bodyOf(response);
    const received = { etag: response.headers.get("etag"), version, bytes };
    this.received.set(part, received);
    return received;
  }

  private async tensors(part: Part, { bytes }: ReceivedPart): Promise<ModelTensors> {
    const file = join(this.options.workDirectory, `${part}.safetensors`);
    await writeFile(file, bytes);
    return (await readTensors(file)).tensors;
  }
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
  // Before the server's view of the chain has caught up it does not know our group, and calls it forbidden.
  const retryable = response.status !== 401 && response.status !== 400;
  throw refused("The model server refused a download", { retryable, fields: { status: response.status, detail } });
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

/** The number in `model_version`, which is written as `step_<n>`. */
function versionOf(response: Response): ModelVersion {
  const meta: unknown = JSON.parse(response.headers.get("x-model-meta") ?? "{}");
  const name = typeof meta === "object" && meta !== null && "model_version" in meta ? String(meta.model_version) : "";
  const number = /^(?:step_)?(\d+)$/.exec(name)?.[1];
  if (number === undefined) throw refused("X-Model-Meta names no version", { fields: { name } });
  return Number(number);
}

function refused(message: string, options: ConstructorParameters<typeof MinerError>[2]): MinerError {
  return new MinerError(MinerErrorCode.ServerRefused, message, options);
}
