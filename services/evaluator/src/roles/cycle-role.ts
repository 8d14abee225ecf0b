import { join, resolve } from "node:path";
import { type HotkeySource, loadHotkey, type Signer } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { objectStoreOptions } from "@assay/checkpoint/object-store/object-store-options";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { Ledger } from "@assay/ledger/ledger";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { OutcomeFollower } from "@assay/runtime/queue/outcome-follower";
import { createQueue } from "@assay/runtime/queue/queues";
import { createWorker } from "@assay/runtime/queue/worker";
import { SystemClock } from "@assay/runtime/time/clock";
import { observeConnections } from "../chain-observer.ts";
import { type EvaluatorConfig, networkFile } from "../config.ts";
import { CycleRunner } from "../cycle/cycle-runner.ts";
import { createDownloadProcessor } from "../downloads/download-processor.ts";
import { FullFileHash } from "../full-file-hash.ts";
import { HeadPulse } from "../head-pulse.ts";
import { HttpMergeTransport } from "../merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../merging/exchange/signer-voice.ts";
import { ModelImport } from "../model-import.ts";
import { ModelUpload } from "../object-store/model-upload.ts";
import { JobBoard } from "../queue/job-board.ts";
import { SigningGate } from "../signing/signing-gate.ts";
import { Waiting } from "../standing/waiting.ts";
import { createWeightProcessor } from "../weights/weight-processor.ts";
import { createDuties, type DutyComponents } from "./duties.ts";
import type { Ground, Role } from "./ground.ts";

/** Heads that may stay away before the connection counts as dead: on finney 48 s, so that another one is up within 60. */
const SILENT_BLOCKS = 4;
/** With fast blocks a busy machine alone makes such a pause. */
const LEAST_SILENCE_MILLIS = 30_000;
/** Connections to try for one pull, and the first pause between two. */
const DOWNLOAD_ATTEMPTS = 5;
const DOWNLOAD_RETRY_MILLIS = 500;
/** Longest silence of a miner's server. */
const DOWNLOAD_STALL_MILLIS = 15_000;

/** Follows the chain and does everything but evaluate; exactly one per hotkey. */
export async function cycleRole(ground: Ground): Promise<Role> {
  const { config, network, layout, logger } = ground;
  const signer = await openHotkey(ground);
  const silenceMillis = headSilenceMillis(ground);
  const ledgerPath = config.ledger_path === "" ? join(layout.root, "ledger.sqlite") : resolve(config.ledger_path);
  const ledger = await Ledger.open({ path: ledgerPath }, { logger });
  const gate = new SigningGate({ ledger });
  const waiting = new Waiting(ground);
  const chain = createChain(ground, { signer, guard: gate }, silenceMillis);
  const store = new CheckpointStore({ logger }, { root: layout.root, keepVersions: config.max_checkpoints_cached });
  const inbox = new Inbox(layout.inbox);
  const transport = createTransport(ground, chain, signer);
  const boards = createBoards(ground);
  const standing = { gate, waiting, silenceMillis };
  const components: DutyComponents = { chain, signer, ledger, store, inbox, transport, boards, ...standing };
  const duties = createDuties(ground, components);
  const runner = new CycleRunner({ chain, duties, metrics: ground.metrics, logger });
  const pulse = new HeadPulse({ chain, clock: new SystemClock(), metrics: ground.metrics }, { silenceMillis });
  const { expertGroups } = network;
  const model = { modelPath: resolve(config.model_path), expertGroups, networkFile: networkFile(config.network) };
  return {
    parts: [
      ledger,
      store,
      new ModelImport({ store, logger }, model),
      chain,
      pulse,
      ...createWorkers(ground, components),
      ...createFollowers(ground, runner),
      new FullFileHash({ store, logger }),
      ...createUpload(ground, store),
      runner,
    ],
    chain: pulse,
    waiting,
  };
}

function headSilenceMillis({ config, network }: Ground): number {
  if (config.chain_silence_seconds > 0) return config.chain_silence_seconds * 1000;
  return Math.max(network.blockMillis * SILENT_BLOCKS, LEAST_SILENCE_MILLIS);
}

async function openHotkey({ config, logger }: Ground): Promise<Signer> {
  const signer = await loadHotkey(hotkeySource(config), ({ code, file, mode }) =>
    logger.warn("Others on this machine may read the hotkey file", { code, file, mode }),
  );
  logger.info("Opened the hotkey", { hotkey: signer.address, type: signer.type });
  return signer;
}

function hotkeySource({ wallet }: EvaluatorConfig): HotkeySource {
  if (wallet.hotkey_uri !== "") return { uri: wallet.hotkey_uri };
  const { path: walletPath, name: walletName, hotkey: hotkeyName, hotkey_password: password } = wallet;
  return { walletPath, walletName, hotkeyName, password };
}

interface Signing {
  readonly signer: Signer;
  readonly guard: SigningGate;
}

function createChain(ground: Ground, signing: Signing, headSilenceMillis: number): PolkadotChainClient {
  const { config, logger, metrics } = ground;
  const endpoints = addressesIn(config.chain_endpoint);
  const archiveEndpoints = addressesIn(config.chain_archive_endpoint);
  return new PolkadotChainClient(
    { logger, ...signing, observer: observeConnections(metrics) },
    {
      endpoints,
      archiveEndpoints,
      requestDeadlineMillis: config.chain_request_seconds * 1000,
      headSilenceMillis,
      netuid: config.netuid,
      tipRao: BigInt(config.chain_tip_rao),
    },
  );
}

function addressesIn(list: string): readonly string[] {
  return list === "" ? [] : list.split(",").map((each) => each.trim());
}

/** Peers know us by what our hotkey signs, and fetch what we show from our own model server. */
function createTransport({ config, layout }: Ground, chain: PolkadotChainClient, signer: Signer): HttpMergeTransport {
  const head = () => chain.head();
  const { allow_private_addresses: allowPrivateAddresses } = config.downloads;
  return new HttpMergeTransport({ layout, voice: voiceOf(signer), head }, { allowPrivateAddresses });
}

function createBoards({ config, redis }: Ground): DutyComponents["boards"] {
  const options = { prefix: config.queue_prefix };
  return {
    downloads: new JobBoard(createQueue("downloads", redis.producer, options)),
    evaluations: new JobBoard(createQueue("evaluations", redis.producer, options)),
    weights: new JobBoard(createQueue("weights", redis.producer, options)),
  };
}

/** The queues that this role works on itself: it holds the key, and it alone writes submissions. */
function createWorkers(ground: Ground, { chain, ledger, store, inbox }: DutyComponents): readonly Startable[] {
  const { config, layout, redis, metrics, logger } = ground;
  const pull = {
    deadlineMillis: config.downloads.timeout_seconds * 1000,
    minBytesPerSecond: config.downloads.min_bytes_per_second,
    allowPrivateAddresses: config.downloads.allow_private_addresses,
    attempts: DOWNLOAD_ATTEMPTS,
    retryMillis: DOWNLOAD_RETRY_MILLIS,
    stallMillis: DOWNLOAD_STALL_MILLIS,
  };
  const download = createDownloadProcessor({ chain, ledger, inbox, store, layout, logger }, { pull });
  const setWeights = createWeightProcessor(
    { chain, ledger, layout, metrics, logger },
    { dryRun: config.weights.dry_run },
  );
  const options = { prefix: config.queue_prefix, logger, lockMillis: config.queue_lock_seconds * 1000 };
  return [
    createWorker("downloads", redis.worker, download, { ...options, concurrency: config.downloads.concurrency }),
    createWorker("weights", redis.worker, setWeights, { ...options, concurrency: 1 }),
  ];
}

/** Where an object store is configured. */
function createUpload({ config, metrics, logger }: Ground, store: CheckpointStore): readonly Startable[] {
  const options = objectStoreOptions(config.object_store);
  return options.bucket === "" ? [] : [new ModelUpload({ store, metrics, logger }, options)];
}

function createFollowers({ config, redis, logger }: Ground, runner: CycleRunner): readonly Startable[] {
  const nudge = { completed: () => runner.nudge(), failed: () => runner.nudge() };
  const options = { prefix: config.queue_prefix, logger };
  return [
    new OutcomeFollower("downloads", redis.worker, nudge, options),
    new OutcomeFollower("evaluations", redis.worker, nudge, options),
  ];
}
