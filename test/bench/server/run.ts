import { mkdtemp, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { startChild } from "../start-child.ts";
import { type Contender, startFastApi, startNginx, startOffload, startOurs } from "./contenders.ts";
import { type DownloadRow, measureDownloads } from "./downloads.ts";
import { percentile } from "./figures.ts";
import type { LoadReply, LoadRequest } from "./load.ts";
import type { ServerBenchOptions } from "./options.ts";
import { ServerStage } from "./stage.ts";
import type { LimitReply, LimitRequest } from "./upload-limit.ts";
import type { UploadReply, UploadRequest } from "./upload-load.ts";
import { measureUploads, type UploadRow } from "./uploads.ts";
import { memoryOf } from "./watch.ts";

/** Rates in MiB/s, medians over the rounds. */
export interface ServerBenchResult {
  readonly download: readonly DownloadRow[];
  readonly upload: readonly UploadRow[];
  /** Of the model server's process; null for what was not measured. */
  readonly rssMiB: {
    readonly idle: number;
    readonly peakDownload: number | null;
    readonly peakUpload: number | null;
    /** When all is over. */
    readonly after: number;
  };
  /** Of `GET /health` while the most clients download; null when nothing answered in that time. */
  readonly healthP99Ms: number | null;
  readonly bytes: number;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  /** Why a contender is missing. */
  readonly absent: Readonly<Record<string, string>>;
}

const MIB = 2 ** 20;

/** Everything in one folder that is gone afterwards. */
export async function runServerBench(
  options: ServerBenchOptions,
  write: (line: string) => void,
): Promise<ServerBenchResult> {
  const directory = await mkdtemp(join(options.directory, "assay-bench-server-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  try {
    write(`Writing a model of ${options.bytes / MIB} MiB and importing it`);
    const miners = Math.max(1, ...options.uploadClients);
    const stage = await ServerStage.prepare(directory, options.bytes, miners);
    stack.defer(() => stage.stop());
    return await measure(stage, stack, options, write);
  } finally {
    await stack.disposeAsync();
  }
}

async function measure(
  stage: ServerStage,
  stack: AsyncDisposableStack,
  options: ServerBenchOptions,
  write: (line: string) => void,
): Promise<ServerBenchResult> {
  const kept = async <C extends Contender | string>(starting: Promise<C>): Promise<C> => {
    const contender = await starting;
    if (typeof contender !== "string") stack.defer(() => contender.stop());
    return contender;
  };
  const ours = await kept(startOurs(stage));
  const nginx = await kept(startNginx(stage));
  const offload = await kept(startOffload(stage));
  await untilHashed(ours);
  const idle = memoryOf(ours.pid);
  const load = await startChild<LoadRequest, LoadReply>(stack, new URL("load.ts", import.meta.url));
  const startNextFastApi = () => startFastApi(stage);
  const downloads = await measureDownloads(
    { ours, nginx, offload, startFastApi: startNextFastApi, load, write },
    options,
  );
  const pushing = await startChild<UploadRequest, UploadReply>(stack, new URL("upload-load.ts", import.meta.url));
  const limit = await startChild<LimitRequest, LimitReply>(stack, new URL("upload-limit.ts", import.meta.url));
  const uploads = await measureUploads({ stage, ours, load: pushing, limit, write }, options);
  return {
    download: downloads.rows,
    upload: uploads.rows,
    rssMiB: { idle, peakDownload: downloads.peakMiB, peakUpload: uploads.peakMiB, after: memoryOf(ours.pid) },
    healthP99Ms: percentile(downloads.healthMillis, 0.99),
    bytes: options.bytes,
    machine: { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.version },
    absent: downloads.absent,
  };
}

/** A large model's chunks are hashed at the speed of the disk. */
const HASHED_WITHIN_MS = 300_000;

/** Afterwards the server does nothing but serve. */
async function untilHashed({ port, headers }: Contender): Promise<void> {
  const deadline = AbortSignal.timeout(HASHED_WITHIN_MS);
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/model/manifest`, { headers, signal: deadline });
    await response.arrayBuffer();
    if (response.status === 200) return;
    if (response.status !== 503) throw new Error(`The model server answers ${response.status}`);
    await setTimeout(200, undefined, { signal: deadline });
  }
}
