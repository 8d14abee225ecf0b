import { AppError } from "@assay/core/app-error";
import type { NatsPerToken } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { baseKey } from "../base-key.ts";
import { CPU, type Device, deviceName } from "../devices/device.ts";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { EvaluationRequest } from "../evaluator.ts";
import type { LossBackend, LossRequest } from "../loss-backend.ts";
import { BackendProcess } from "./backend-process.ts";
import { describeVersion } from "./model-manifest.ts";
import { type BackendFailure, type Hello, type LossesLine, type Manifest, SHARED_CODES } from "./protocol.ts";
import { Scratch } from "./scratch.ts";

export interface StdioBackendOptions {
  /** Program and arguments; `{device}` in an argument becomes the device's name. */
  readonly command: readonly string[];
  readonly device?: Device;
  readonly memoryLimitMiB?: number;
  readonly startDeadlineMillis?: number;
}

interface DescribedVersion {
  readonly key: string;
  readonly manifest: Manifest;
  readonly path: string;
}

const DEVICE_WORD = "{device}";
const DEFAULT_START_DEADLINE_MILLIS = 60_000;

/**
 * Losses from another program. Spawned again for the request after one that it did not survive; `release` is its end.
 *
 * One request at a time.
 */
export class StdioBackend implements LossBackend {
  readonly #logger: Logger;
  readonly #options: StdioBackendOptions;
  #process: BackendProcess | null = null;
  #scratch: Scratch | null = null;
  #version: DescribedVersion | null = null;
  #hello: Hello | null = null;
  #released = false;

  constructor({ logger }: { readonly logger: Logger }, options: StdioBackendOptions) {
    this.#logger = logger;
    this.#options = options;
  }

  /** As the running program states it. */
  get band(): NatsPerToken {
    return this.#greeting.band;
  }

  /** As the running program names itself. */
  get runtime(): LossBackend["runtime"] {
    const { name, device } = this.#greeting;
    return { library: name, device, threads: null };
  }

  get #greeting(): Hello {
    if (this.#hello === null) throw new Error("The backend has not started yet");
    return this.#hello;
  }

  /** Process id of the program; null while there is none. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts the program, unless one is ready. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#ready(signal);
  }

  async losses({ base, group, submission, batches }: LossRequest, signal: AbortSignal): Promise<readonly number[]> {
    const process = await this.#ready(signal);
    const version = await this.#describe(base);
    if (!version.manifest.groups.some((each) => each.group === group)) {
      throw new EvaluationError(EvaluationErrorCode.GroupUnknown, "Version does not have this expert group", {
        fields: { group, directory: base.directory },
      });
    }
    const model = { directory: base.directory, version: base.version, manifest: version.path };
    const line = { model, group, submission, batches: await (await this.#files()).batches(batches) };
    return await this.#exchange(process, line, signal);
  }

  async release(): Promise<void> {
    this.#released = true;
    await this.#process?.stop();
    await this.#scratch?.remove();
    this.#process = null;
    this.#scratch = null;
    this.#version = null;
  }

  async #ready(signal: AbortSignal): Promise<BackendProcess> {
    if (this.#released) {
      throw new EvaluationError(EvaluationErrorCode.NotRunning, "The backend is not running");
    }
    if (this.#process?.usable !== true) {
      this.#process = BackendProcess.spawn({ logger: this.#logger }, this.#processOptions());
      await this.#greet(this.#process, signal);
    }
    return this.#process;
  }

  /** A program whose first line does not come, or is not the one that was hoped for, is not used. */
  async #greet(process: BackendProcess, signal: AbortSignal): Promise<void> {
    try {
      const hello = await process.hello(signal);
      this.#checkDevice(hello);
      const { name, device, band } = hello;
      this.#hello = hello;
      this.#logger.info("Backend ready", { name, device, band, pid: process.pid });
    } catch (error) {
      void process.stop();
      throw error;
    }
  }

  #processOptions() {
    const { command, memoryLimitMiB = 0, startDeadlineMillis = DEFAULT_START_DEADLINE_MILLIS } = this.#options;
    const words = command.map((word) => word.replaceAll(DEVICE_WORD, this.#device));
    return { command: words, memoryLimitMiB, startDeadlineMillis };
  }

  get #device(): string {
    return deviceName(this.#options.device ?? CPU);
  }

  /** A program that was told its device and took another has fallen back, which nobody would notice. */
  #checkDevice({ name, device }: Hello): void {
    const told = this.#options.command.some((word) => word.includes(DEVICE_WORD));
    if (!told || device === this.#device) return;
    throw new EvaluationError(EvaluationErrorCode.DeviceUnavailable, "The backend runs on another device", {
      fields: { device: this.#device, why: `${name} says that it runs on ${device}` },
    });
  }

  async #describe(base: EvaluationRequest["base"]): Promise<DescribedVersion> {
    const key = baseKey(base);
    if (this.#version?.key === key) return this.#version;
    const manifest = await describeVersion(base.directory);
    this.#version = { key, manifest, path: await (await this.#files()).manifest(manifest) };
    return this.#version;
  }

  async #files(): Promise<Scratch> {
    this.#scratch ??= await Scratch.open();
    return this.#scratch;
  }

  async #exchange(
    process: BackendProcess,
    line: Omit<LossesLine, "id">,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const reply = await process.request(line, signal);
    if ("error" in reply) throw toError(reply.error);
    const { losses } = reply;
    const expected = line.batches.sequences.length;
    if (losses.length !== expected) {
      void process.stop();
      throw new EvaluationError(EvaluationErrorCode.BackendProtocol, "The backend gave another number of losses", {
        retryable: true,
        fields: { losses: losses.length, expected },
      });
    }
    return losses.map((loss) => loss ?? Number.NaN);
  }
}

function toError({ code, message, retryable }: BackendFailure): AppError {
  if (SHARED_CODES.some((shared) => shared === code)) return new AppError(code, message, { retryable });
  return new EvaluationError(EvaluationErrorCode.BackendFailed, message, { retryable, fields: { backendCode: code } });
}
