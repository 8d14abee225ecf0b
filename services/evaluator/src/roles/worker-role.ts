import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ChildEvaluator } from "@assay/evaluation/child-evaluator";
import { logHeldOutText } from "@assay/evaluation/text/log-held-out-text";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { createWorker } from "@assay/runtime/queue/worker";
import { createEvaluationProcessor } from "../evaluations/evaluation-processor.ts";
import { EvaluatorPool } from "../evaluations/evaluator-pool.ts";
import { HeadView } from "../head-view.ts";
import type { Ground, Role } from "./ground.ts";

/** Evaluates submissions; needs Redis and the checkpoint directory, neither wallet nor chain nor ledger. */
export function workerRole({ config, network, layout, redis, metrics, logger }: Ground): Role {
  const evalDatasetPath = resolve(config.eval_dataset_path);
  const heldOutText: Startable = {
    start: (signal) => logHeldOutText(evalDatasetPath, { logger }, signal),
    stop: async () => {},
  };
  const options = {
    evalDatasetPath,
    tokenCacheDirectory: tokenCacheDirectory(config.evaluation.token_cache_dir),
    // In stages a batch decides what is compared, so it is the network's.
    batchSize: network.evaluation.sequential?.batchSequences ?? config.eval_batch_size,
    sequences: network.evaluation.sequences,
    sequenceLength: network.evaluation.sequenceLength,
    timeoutMillis: config.evaluation.timeout_seconds * 1000,
    threads: config.evaluation.threads,
  };
  const evaluators = Array.from({ length: config.evaluation.workers }, () => new ChildEvaluator({ logger }, options));
  const evaluator = new EvaluatorPool(evaluators);
  const processor = createEvaluationProcessor({ head: new HeadView(layout), evaluator, layout, metrics, logger });
  const worker = createWorker("evaluations", redis.worker, processor, {
    // One more than there are evaluators: its file is read while they compute.
    concurrency: config.evaluation.workers + 1,
    prefix: config.queue_prefix,
    lockMillis: config.queue_lock_seconds * 1000,
    logger,
  });
  return { parts: [heldOutText, evaluator, worker] };
}

/** By default outside the checkpoint directory, which workers may only read, and not shared with other users. */
function tokenCacheDirectory(configured: string): string | null {
  if (configured === "") return null;
  return configured === "auto" ? join(tmpdir(), `assay-tokens-${process.getuid?.() ?? 0}`) : resolve(configured);
}
