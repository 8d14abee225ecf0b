import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ChainView } from "@assay/core/chain-view";
import type { ModelManifest } from "@assay/core/model-manifest";
import { loadConfig } from "@assay/runtime/config/load";
import { startParts, stopParts } from "@assay/runtime/lifecycle/parts";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { createMemoryLogger, type MemoryLogger } from "@assay/runtime/logging/memory-logger";
import { AdminServer } from "@assay/runtime/metrics/admin-server";
import { type Clock, SystemClock } from "@assay/runtime/time/clock";
import { Registry } from "prom-client";
import { expect } from "vitest";
import { compose } from "../src/compose.ts";
import { configProblems, modelServerSchema } from "../src/config.ts";
import { PublicServer } from "../src/public-server.ts";

export const TOKEN = "test-token-0123456789";

export interface FixtureOptions {
  readonly view?: ChainView | null;
  readonly redisUrl: string;
  /** As on the command line. */
  readonly args?: readonly string[];
  /** Variables besides those of the fixture. */
  readonly env?: Readonly<Record<string, string>>;
  /** The system's unless given. */
  readonly clock?: Clock;
}

/** A whole model server on loopback, with a checkpoint directory of its own. */
export class ServerFixture implements AsyncDisposable {
  readonly layout: CheckpointLayout;
  readonly logger: MemoryLogger;
  readonly registry: Registry;
  readonly #parts: readonly Startable[];
  readonly #started: Startable[] = [];

  private constructor(root: string, options: FixtureOptions) {
    const { args = [], env = {}, redisUrl, clock = new SystemClock() } = options;
    this.layout = new CheckpointLayout(root);
    this.logger = createMemoryLogger("model-server");
    this.registry = new Registry();
    const { values } = loadConfig({
      service: "model-server",
      schema: modelServerSchema,
      args: [
        "--server_host=127.0.0.1",
        "--server_port=0",
        "--admin.port=0",
        `--checkpoint_cache_dir=${root}`,
        `--offload.nginx.folder=${join(root, "offload")}`,
        ...args,
      ],
      env: { BZ_AUTH_TOKEN: TOKEN, REDIS_URL: redisUrl, QUEUE_PREFIX: prefixOf(root), ...env },
      check: configProblems,
    });
    this.#parts = compose(values, { logger: this.logger, clock, registry: this.registry });
  }

  static async start(options: FixtureOptions): Promise<ServerFixture> {
    const fixture = new ServerFixture(await mkdtemp(join(tmpdir(), "assay-model-server-")), options);
    await mkdir(fixture.layout.state, { recursive: true });
    if (options.view !== null && options.view !== undefined) {
      await fixture.setView(options.view);
    }
    return fixture;
  }

  /** Begins to serve, with whatever is in the checkpoint directory by now. */
  async serve(): Promise<this> {
    await startParts(this.#parts, this.#started, AbortSignal.timeout(20_000));
    return this;
  }

  get url(): string {
    return this.#publicServer?.url ?? "not listening";
  }

  /** Stops the public port as a stop of the process does; the rest goes on. */
  async stopServing(): Promise<void> {
    await this.#publicServer?.stop();
  }

  get #publicServer(): PublicServer | undefined {
    return this.#parts.find((part) => part instanceof PublicServer);
  }

  get adminUrl(): string {
    return this.#parts.find((part) => part instanceof AdminServer)?.url ?? "not listening";
  }

  get queuePrefix(): string {
    return prefixOf(this.layout.root);
  }

  async setView(view: ChainView): Promise<void> {
    await writeJsonAtomic(this.layout.chainView, view);
  }

  /** With the token, unless `headers` say otherwise. */
  fetch(path: string, { headers, ...rest }: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...rest,
      headers: { authorization: `Bearer ${TOKEN}`, ...(headers as Record<string, string> | undefined) },
    });
  }

  /** Publishes a version whose two groups hold these values, through the evaluator's own store. */
  publish(version: number, groups: readonly [Uint8Array, Uint8Array]): Promise<ModelManifest> {
    return publishVersion(this, version, groups);
  }

  /** Hugging Face folder of the base model. */
  get modelFolder(): string {
    return baseModel(this.layout);
  }

  get modelFile(): string {
    return join(this.modelFolder, "model.safetensors");
  }

  /** Every file under the inbox, relative to it. */
  async inboxFiles(): Promise<readonly string[]> {
    const entries = await readdir(this.layout.inbox, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.layout.inbox.length + 1))
      .sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopParts(this.#started, this.logger);
    await rm(this.layout.root, { recursive: true, force: true });
  }
}

function baseModel({ root }: CheckpointLayout): string {
  return join(root, "base-model");
}

/**
 * Publishes a version whose two groups hold these values, through the evaluator's own store.
 *
 * @param isHashed whether the digest of its whole is known too
 */
export async function publishVersion(
  { layout, logger }: { readonly layout: CheckpointLayout; readonly logger: Logger },
  version: number,
  groups: readonly [Uint8Array, Uint8Array],
  isHashed = true,
): Promise<ModelManifest> {
  const store = new CheckpointStore({ logger }, { root: layout.root, keepVersions: 9 });
  await store.start();
  if (version === 0) {
    const folder = baseModel(layout);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "config.json"), JSON.stringify({ num_experts: 64 }));
    await writeFile(join(folder, "model.safetensors"), await safetensors([...groups.map(expertTensor), SHARED_TENSOR]));
    await store.importModel(folder, { groups: 2 });
    return await store.manifest(0);
  }
  const groupFiles = new Map<number, string>();
  for (const [group, values] of groups.entries()) {
    groupFiles.set(group, join(layout.root, `published-${version}-${group}`));
    await writeFile(groupFiles.get(group) ?? "", await groupFile(group, values));
  }
  const manifest = await store.publish({ version, parent: version - 1, cycle: null, block: null, groupFiles });
  return isHashed ? await describeFull({ layout, logger }, version) : manifest;
}

/** What the evaluator does beside its duties once a version is current. */
export async function describeFull(
  { layout, logger }: { readonly layout: CheckpointLayout; readonly logger: Logger },
  version: number,
): Promise<ModelManifest> {
  const store = new CheckpointStore({ logger }, { root: layout.root, keepVersions: 9 });
  await store.describeFull(version);
  return await store.manifest(version);
}

const SHARED_TENSOR = byteTensor("model.norm.weight", bytesOf("shared", 500));

/** What a group with these values is downloaded as: 192 bytes of header and the values. */
export async function groupFile(group: number, values: Uint8Array): Promise<Uint8Array> {
  return await safetensors([expertTensor(values, group)]);
}

/** What everything that belongs to no group is downloaded as. */
export async function sharedFile(): Promise<Uint8Array> {
  return await safetensors([SHARED_TENSOR]);
}

/** What the whole model is downloaded as. */
export async function fullFile(groups: readonly [Uint8Array, Uint8Array]): Promise<Uint8Array> {
  return await safetensors([...groups.map(expertTensor), SHARED_TENSOR]);
}

function expertTensor(values: Uint8Array, expert: number): TensorSource {
  return byteTensor(`model.layers.0.mlp.experts.${expert}.up_proj.weight`, values);
}

function byteTensor(name: string, values: Uint8Array): TensorSource {
  return { name, dtype: "U8", shape: [values.length], chunks: () => [values] };
}

async function safetensors(tensors: readonly TensorSource[]): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "assay-safetensors-"));
  try {
    await writeSafetensors(join(folder, "file"), tensors);
    return new Uint8Array(await readFile(join(folder, "file")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes that differ by name and never repeat a block. */
export function bytesOf(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(name).digest());
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export async function refusalIn(response: Response): Promise<{ status: number; error: unknown }> {
  const { error, detail } = (await response.json()) as { error: unknown; detail: unknown };
  expect(typeof detail).toBe("string");
  return { status: response.status, error };
}

/** Polls until a condition holds; fails after five seconds. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  await expect.poll(condition, { timeout: 5_000, interval: 20 }).toBe(true);
}

function prefixOf(root: string): string {
  return `test-${root.slice(-6)}`;
}
