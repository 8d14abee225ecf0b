import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { ChainClient } from "@assay/chain/chain-client";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Network } from "@assay/core/network";
import { ChildEvaluator } from "@assay/evaluation/child-evaluator";
import { Ledger } from "@assay/ledger/ledger";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { AdminServer } from "@assay/runtime/metrics/admin-server";
import { createRegistry } from "@assay/runtime/metrics/registry";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { OutcomeFollower } from "@assay/runtime/queue/outcome-follower";
import { createQueue } from "@assay/runtime/queue/queues";
import { createWorker } from "@assay/runtime/queue/worker";
import { SystemClock } from "@assay/runtime/time/clock";
import type { Registry } from "prom-client";
import { CommitmentDuty } from "./commitments/commitment-duty.ts";
import type { EvaluatorConfig } from "./config.ts";
import { ChainViewDuty } from "./cycle/chain-view-duty.ts";
import { CycleRunner } from "./cycle/cycle-runner.ts";
import type { Duty } from "./cycle/duty.ts";
import { PhaseLogDuty } from "./cycle/phase-log-duty.ts";
import { PlanRoundDuty } from "./cycle/plan-round-duty.ts";
import { StatusLineDuty } from "./cycle/status-line-duty.ts";
import { SubmissionDoor } from "./cycle/submission-door.ts";
import { DownloadDuty } from "./downloads/download-duty.ts";
import { createDownloadProcessor } from "./downloads/download-processor.ts";
import { EvaluationDuty } from "./evaluations/evaluation-duty.ts";
import { createEvaluationProcessor } from "./evaluations/evaluation-processor.ts";
import { EvaluatorPool } from "./evaluations/evaluator-pool.ts";
import { HeadView } from "./head-view.ts";
import { MergeDuty } from "./merging/merge-duty.ts";
import { createEvaluatorMetrics, type EvaluatorMetrics } from "./metrics.ts";
import { ModelImport } from "./model-import.ts";
import { JobBoard } from "./queue/job-board.ts";
import { Readiness } from "./readiness.ts";
import { CloseRoundDuty } from "./scores/close-round-duty.ts";
import { WeightDuty } from "./weights/weight-duty.ts";
import { createWeightProcessor } from "./weights/weight-processor.ts";

/** Version of this service, as its metrics and logs name it. */
const VERSION = "0.1.0";

/** What both roles stand on. */
interface Ground {
  readonly config: EvaluatorConfig;
  readonly network: Network;
  readonly layout: CheckpointLayout;
  readonly redis: RedisConnections;
  readonly metrics: EvaluatorMetrics;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** The parts of this process, in the order in which they start. */
export async function compose(
  config: EvaluatorConfig,
  network: Network,
  logger: Logger,
): Promise<readonly Startable[]> {
  const registry = createRegistry({ service: "evaluator", version: VERSION });
  const root = resolve(config.checkpoint_cache_dir);
  const ground: Ground = {
    config,
    network,
    layout: new CheckpointLayout(root, config.inbox_dir === "" ? {} : { inbox: resolve(config.inbox_dir) }),
    redis: new RedisConnections({ logger }, { url: config.redis_url }),
    metrics: createEvaluatorMetrics(registry),
    registry,
    logger,
  };
  const readiness = new Readiness(ground.redis);
  const admin = new AdminServer({ logger, registry, ready: () => readiness.report() }, config.admin);
  const cycle = config.role === "worker" ? [] : await cycleParts(ground);
  const worker = config.role === "cycle" ? [] : workerParts(ground);
  return [admin, ground.redis, ...worker, ...cycle, readiness];
}

function workerParts({ config, network, layout, redis, metrics, logger }: Ground): Startable[] {
  const evaluators = Array.from(
    { length: config.evaluation.workers },
    () =>
      new ChildEvaluator(
        { logger },
        {
          evalDatasetPath: resolve(config.eval_dataset_path),
          batchSize: config.eval_batch_size,
          maxBatches: network.evaluation.maxBatches,
          sequenceLength: network.evaluation.sequenceLength,
          timeoutMillis: config.evaluation.timeout_seconds * 1000,
          threads: config.evaluation.threads,
        },
      ),
  );
  const evaluator = new EvaluatorPool(evaluators);
  const processor = createEvaluationProcessor({ head: new HeadView(layout), evaluator, layout, metrics, logger });
  const worker = createWorker("evaluations", redis.worker, processor, {
    concurrency: config.evaluation.workers,
    prefix: config.queue_prefix,
    lockMillis: config.queue_lock_seconds * 1000,
    logger,
  });
  return [evaluator, worker];
}

async function cycleParts(ground: Ground): Promise<Startable[]> {
  const { config, layout, redis, logger } = ground;
  const signer = await loadHotkey(hotkeySource(config));
  const chain = new PolkadotChainClient(
    { logger, signer },
    {
      endpoints: config.chain_endpoint.split(",").map((each) => each.trim()),
      requestDeadlineMillis: REQUEST_DEADLINE_MILLIS,
      headSilenceMillis: Math.max(ground.network.blockMillis * SILENT_BLOCKS, LEAST_SILENCE_MILLIS),
    },
  );
  const ledgerPath = config.ledger_path === "" ? join(layout.root, "ledger.sqlite") : resolve(config.ledger_path);
  const ledger = await Ledger.open({ path: ledgerPath }, { logger });
  const store = new CheckpointStore({ logger }, { root: layout.root, keepVersions: config.max_checkpoints_cached });
  const inbox = new Inbox(layout.inbox);
  const boards = createBoards(ground);
  const duties = createDuties(ground, { chain, signer, ledger, store, inbox, boards });
  const runner = new CycleRunner({ chain, duties, metrics: ground.metrics, logger });

  const queueOptions = { prefix: config.queue_prefix, logger, lockMillis: config.queue_lock_seconds * 1000 };
  const pull = {
    deadlineMillis: config.downloads.timeout_seconds * 1000,
    allowPrivateAddresses: config.downloads.allow_private_addresses,
    attempts: DOWNLOAD_ATTEMPTS,
    retryMillis: DOWNLOAD_RETRY_MILLIS,
    stallMillis: DOWNLOAD_STALL_MILLIS,
  };
  const fetchSubmission = createDownloadProcessor({ chain, ledger, inbox, store, layout, logger }, { pull });
  const setWeights = createWeightProcessor({ chain, ledger, metrics: ground.metrics, logger });
  const nudge = { completed: () => runner.nudge(), failed: () => runner.nudge() };
  return [
    ledger,
    store,
    new ModelImport({ store, logger }, { modelPath: resolve(config.model_path), groups: ground.network.expertGroups }),
    chain,
    createWorker("downloads", redis.worker, fetchSubmission, {
      ...queueOptions,
      concurrency: config.downloads.concurrency,
    }),
    createWorker("weights", redis.worker, setWeights, { ...queueOptions, concurrency: 1 }),
    new OutcomeFollower("downloads", redis.worker, nudge, queueOptions),
    new OutcomeFollower("evaluations", redis.worker, nudge, queueOptions),
    runner,
  ];
}

/** Connections to try for one pull, and the first pause between two. */
const DOWNLOAD_ATTEMPTS = 5;
const DOWNLOAD_RETRY_MILLIS = 500;
/** Longest silence of a miner's server. */
const DOWNLOAD_STALL_MILLIS = 15_000;
/** One request to the chain may take this long. */
const REQUEST_DEADLINE_MILLIS = 15_000;
/** Heads that may stay away before the connection counts as dead. */
const SILENT_BLOCKS = 5;
/** With fast blocks a busy machine alone makes such a pause. */
const LEAST_SILENCE_MILLIS = 30_000;

interface Boards {
  readonly downloads: JobBoard<"downloads">;
  readonly evaluations: JobBoard<"evaluations">;
  readonly weights: JobBoard<"weights">;
}

function createBoards({ config, redis }: Ground): Boards {
  const options = { prefix: config.queue_prefix };
  return {
    downloads: new JobBoard(createQueue("downloads", redis.producer, options)),
    evaluations: new JobBoard(createQueue("evaluations", redis.producer, options)),
    weights: new JobBoard(createQueue("weights", redis.producer, options)),
  };
}

interface CycleComponents {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly boards: Boards;
}

function createDuties(ground: Ground, { chain, signer, ledger, store, inbox, boards }: CycleComponents): Duty[] {
  const { config, network, layout, metrics, logger } = ground;
  const { netuid } = config;
  const door = new SubmissionDoor(ledger, network);
  return [
    new ChainViewDuty({ chain, ledger, layout, clock: new SystemClock() }, { netuid, network }),
    new PhaseLogDuty({ metrics, logger }, network),
    door,
    new PlanRoundDuty({ chain, ledger, store, logger }, { netuid, network, validatorHotkey: signer.address }),
    new DownloadDuty({ ledger, inbox, downloads: boards.downloads, metrics, logger }),
    new EvaluationDuty({ chain, ledger, evaluations: boards.evaluations, metrics }),
    new CloseRoundDuty({ ledger, inbox, door, metrics, logger }, { network, weightOfOld: config.score_ema_alpha }),
    new MergeDuty({ ledger, store, inbox, metrics, logger }, { network, keepVersions: config.max_checkpoints_cached }),
    new CommitmentDuty({ chain, signer, ledger, logger }, { netuid, network }),
    new WeightDuty({ chain, ledger, weights: boards.weights, metrics, logger }, { netuid, network }),
    new StatusLineDuty(
      { ledger, inbox, evaluations: boards.evaluations, logger },
      { network, everyBlocks: config.status_every_blocks },
    ),
  ];
}

function hotkeySource({ wallet }: EvaluatorConfig): Parameters<typeof loadHotkey>[0] {
  if (wallet.hotkey_uri !== "") return { uri: wallet.hotkey_uri };
  const walletPath = wallet.path.replace(/^~(?=\/|$)/, homedir());
  return { walletPath, walletName: wallet.name, hotkeyName: wallet.hotkey };
}
