import { resolve } from "node:path";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import type { Network } from "@assay/core/network";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { AdminServer } from "@assay/runtime/metrics/admin-server";
import { createRegistry } from "@assay/runtime/metrics/registry";
import { RedisConnections } from "@assay/runtime/queue/connection";
import type { EvaluatorConfig } from "./config.ts";
import { createEvaluatorMetrics } from "./metrics.ts";
import { Readiness } from "./readiness.ts";
import type { Ground, Role } from "./roles/ground.ts";
import { VERSION } from "./version.ts";

/** The parts of this process, in the order in which they start. */
export async function compose(
  config: EvaluatorConfig,
  network: Network,
  logger: Logger,
): Promise<readonly Startable[]> {
  const registry = createRegistry({ service: "evaluator", version: VERSION });
  const inbox = config.inbox_dir === "" ? {} : { inbox: resolve(config.inbox_dir) };
  const ground: Ground = {
    config,
    network,
    layout: new CheckpointLayout(resolve(config.checkpoint_cache_dir), inbox),
    redis: new RedisConnections({ logger }, { url: config.redis_url }),
    metrics: createEvaluatorMetrics(registry),
    logger,
  };
  const worker = config.role === "cycle" ? ABSENT : await loadWorkerRole(ground);
  const cycle = config.role === "worker" ? ABSENT : await loadCycleRole(ground);
  const { chain, waiting } = cycle;
  const readiness = new Readiness({ redis: ground.redis, ...(chain && { chain }), ...(waiting && { waiting }) });
  const admin = new AdminServer({ logger, registry, ready: () => readiness.report() }, config.admin);
  return [admin, ground.redis, ...worker.parts, ...cycle.parts, readiness];
}

const ABSENT: Role = { parts: [] };

// Each role loads its own libraries: no chain and no database in a worker, no ONNX Runtime beside the key.

async function loadWorkerRole(ground: Ground): Promise<Role> {
  const { workerRole } = await import("./roles/worker-role.ts");
  return workerRole(ground);
}

async function loadCycleRole(ground: Ground): Promise<Role> {
  const { cycleRole } = await import("./roles/cycle-role.ts");
  return await cycleRole(ground);
}
