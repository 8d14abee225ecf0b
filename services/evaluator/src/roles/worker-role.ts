import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ChildEvaluator } from "@assay/evaluation/child-evaluator";
import { type Device, parseDevices } from "@assay/evaluation/devices/device";
import { probeDevices } from "@assay/evaluation/devices/probe";
import type { Evaluator, EvaluatorOptions } from "@assay/evaluation/evaluator";
import { StdioEvaluator } from "@assay/evaluation/stdio/stdio-evaluator";
import { logHeldOutText } from "@assay/evaluation/text/log-held-out-text";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { createWorker } from "@assay/runtime/queue/worker";
import { createEvaluationProcessor } from "../evaluations/evaluation-processor.ts";
import { PlacedEvaluators } from "../evaluations/placed-evaluators.ts";
import { HeadView } from "../head-view.ts";
import type { Ground, Role } from "./ground.ts";

/** Evaluates submissions; needs Redis and the checkpoint directory, neither wallet nor chain nor ledger. */
export function workerRole(ground: Ground): Role {
  const { config, layout, redis, metrics, logger } = ground;
  const devices = parseDevices(config.evaluation.device);
  if (devices === null) throw new RangeError("The configuration was not checked");
  const ours = config.evaluation.backend_command.length === 0;
  const probe = (wanted: readonly Device[], signal: AbortSignal) => probeDevices({ logger }, { wanted }, signal);
  const evaluator = new PlacedEvaluators(
    { probe: ours ? probe : null, create: evaluatorOn(ground), logger },
    { devices, workers: config.evaluation.workers },
  );
  const processor = createEvaluationProcessor({ head: new HeadView(layout), evaluator, layout, metrics, logger });
  const worker = createWorker("evaluations", redis.worker, processor, {
    // One more than there are evaluators: its file is read while they compute.
    concurrency: () => evaluator.size + 1,
    capacity: () => evaluator.size,
    prefix: config.queue_prefix,
    lockMillis: config.queue_lock_seconds * 1000,
    logger,
  });
  const evalDatasetPath = resolve(config.eval_dataset_path);
  const heldOutText: Startable = {
    start: (signal) => logHeldOutText(evalDatasetPath, { logger }, signal),
    stop: async () => {},
  };
  return { parts: [heldOutText, evaluator, worker] };
}

function evaluatorOn({ config, network, logger }: Ground): (device: Device, among: number) => Evaluator {
  const { backend_command: command, memory_limit_mib: memoryLimitMiB } = config.evaluation;
  const options: EvaluatorOptions = {
    evalDatasetPath: resolve(config.eval_dataset_path),
    tokenCacheDirectory: tokenCacheDirectory(config.evaluation.token_cache_dir),
    // In stages a batch decides what is compared, so it is the network's.
    batchSize: network.evaluation.sequential?.batchSequences ?? config.eval_batch_size,
    sequences: network.evaluation.sequences,
    sequenceLength: network.evaluation.sequenceLength,
    timeoutMillis: config.evaluation.timeout_seconds * 1000,
    threads: config.evaluation.threads,
    memoryLimitMiB,
  };
  return (device, among) => {
    if (command.length > 0) return new StdioEvaluator({ logger }, { ...options, device, command });
    const limit = memoryLimitMiB === 0 ? Number.POSITIVE_INFINITY : memoryLimitMiB * 2 ** 20;
    const baseMemoryBytes = Math.min(process.availableMemory() / among, limit) * BASE_MEMORY_SHARE;
    return new ChildEvaluator({ logger }, { ...options, device, baseMemoryBytes });
  };
}

/** Of what one evaluator may use, for its base model: the rest is for submissions, activations and the page cache. */
const BASE_MEMORY_SHARE = 0.6;

/** By default outside the checkpoint directory, which workers may only read, and not shared with other users. */
function tokenCacheDirectory(configured: string): string | null {
  if (configured === "") return null;
  return configured === "auto" ? join(tmpdir(), `assay-tokens-${process.getuid?.() ?? 0}`) : resolve(configured);
}
