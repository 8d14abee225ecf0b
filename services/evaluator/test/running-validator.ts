import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InProcessEvaluator } from "@assay/evaluation/in-process-evaluator";
import { loadConfig } from "@assay/runtime/config/load";
import { startParts, stopParts } from "@assay/runtime/lifecycle/parts";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { OutcomeFollower } from "@assay/runtime/queue/outcome-follower";
import { createWorker } from "@assay/runtime/queue/worker";
import { FakeChainClient } from "@assay/testing/fake/fake-chain-client";
import { MemoryMergeNetwork } from "@assay/testing/fake/memory-merge-transport";
import { evaluatorSchema } from "../src/config.ts";
import { CycleRunner } from "../src/cycle/cycle-runner.ts";
import { createDownloadProcessor } from "../src/downloads/download-processor.ts";
import { createEvaluationProcessor } from "../src/evaluations/evaluation-processor.ts";
import { HeadView } from "../src/head-view.ts";
import { createDuties } from "../src/roles/duties.ts";
import { SigningGate } from "../src/signing/signing-gate.ts";
import { Waiting } from "../src/standing/waiting.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import type { Queues } from "./queues.ts";
import { NETUID, never, type Stage } from "./stage.ts";

/** Everything both roles do, in this process, on a stage. */
export interface RunningValidator {
  /** Ends at once, whatever is under way. */
  stop(): Promise<void>;
}

/** Starts all duties and workers on the stage's ledger; a new one after `stop` is a restart. */
export async function startValidator(stage: Stage, queues: Queues): Promise<RunningValidator> {
  const { chain, ledger, store, inbox, layout, metrics, network, validator } = stage;
  const { redis, prefix } = queues;
  const logger = stage.logger.child({});
  const gate = new SigningGate({ ledger });
  const client = new FakeChainClient({ chain, hotkey: validator.hotkey, guard: gate });
  const evaluator = new InProcessEvaluator({ logger }, await evaluatorOptions(stage));
  const args = [`--netuid=${NETUID}`, "--max-checkpoints-cached=5", "--doppelganger-blocks=1"];
  const { values: config } = loadConfig({ service: "evaluator", schema: evaluatorSchema, args, env: {} });
  const boards = {
    downloads: queues.board("downloads"),
    evaluations: queues.board("evaluations"),
    weights: queues.board("weights"),
  };
  const standing = { gate, waiting: new Waiting({ metrics }), silenceMillis: 60_000 };
  const transport = new MemoryMergeNetwork().join(validator.hotkey);
  const components = { chain: client, signer: validator.signer, ledger, store, inbox, transport, boards, ...standing };
  const duties = createDuties({ config, network, layout, redis, metrics, logger }, components);
  const runner = new CycleRunner({ chain: client, duties, metrics, logger });
  const options = { concurrency: 1, prefix, logger: createMemoryLogger(), stopGraceMs: 0 };
  const pull = { deadlineMillis: 5_000, allowPrivateAddresses: true, attempts: 1, retryMillis: 1, stallMillis: 1_000 };
  const nudge = { completed: () => runner.nudge(), failed: () => runner.nudge() };
  const parts: Startable[] = [
    client,
    evaluator,
    createWorker(
      "downloads",
      redis.worker,
      createDownloadProcessor({ ...components, layout, logger }, { pull }),
      options,
    ),
    createWorker(
      "evaluations",
      redis.worker,
      createEvaluationProcessor({ head: new HeadView(layout), evaluator, layout, metrics, logger }),
      options,
    ),
    createWorker(
      "weights",
      redis.worker,
      createWeightProcessor({ chain: client, ledger, layout, metrics, logger }, { dryRun: false }),
      options,
    ),
    new OutcomeFollower("downloads", redis.worker, nudge, options),
    new OutcomeFollower("evaluations", redis.worker, nudge, options),
    runner,
  ];
  const started: Startable[] = [];
  await startParts(parts, started, never);
  return { stop: () => stopParts(started, createMemoryLogger()) };
}

async function evaluatorOptions({ folder, network }: Stage) {
  const evalDatasetPath = join(folder, "held-out.jsonl");
  const lines = Array.from({ length: 60 }, (_, line) => JSON.stringify({ text: `Line ${line * 7919} sees the sea.` }));
  await writeFile(evalDatasetPath, lines.join("\n"));
  const { sequences, sequenceLength, sequential } = network.evaluation;
  return {
    evalDatasetPath,
    tokenCacheDirectory: null,
    batchSize: sequential?.batchSequences ?? 2,
    sequences,
    sequenceLength,
    timeoutMillis: 30_000,
    threads: 1,
  };
}
