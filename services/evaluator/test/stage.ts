import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { type CycleSchedule, NINE_PHASE_45 } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { WeightPolicy } from "@assay/core/weights/weight-policy";
import { Ledger } from "@assay/ledger/ledger";
import { createMemoryLogger, type MemoryLogger } from "@assay/runtime/logging/memory-logger";
import { FakeChain, type PendingCall } from "@assay/testing/fake/fake-chain";
import { FakeChainClient } from "@assay/testing/fake/fake-chain-client";
import { writeTinyModel } from "@assay/testing/model/tiny-model";
import { Registry } from "prom-client";
import { onTestFinished } from "vitest";
import { createEvaluatorMetrics, type EvaluatorMetrics } from "../src/metrics.ts";

export const NETUID = 2;
export const GROUPS = 2;
export const VALIDATOR_UID = 0;
export const never: AbortSignal = new AbortController().signal;

/** Someone with a hotkey and a slot. */
export interface Player {
  readonly uid: number;
  readonly signer: Signer;
  readonly hotkey: string;
}

export interface StageOptions {
  readonly schedule?: CycleSchedule;
  readonly miners?: number;
  readonly hyperparameters?: Partial<SubnetHyperparameters>;
  /** Imports the tiny model as version 0. */
  readonly model?: boolean;
  readonly firstBlock?: number;
  readonly evaluation?: Partial<Network["evaluation"]> | undefined;
  readonly weights?: WeightPolicy;
}

/** A chain that says how many calls were handed in. */
export class CountingChain extends FakeChain {
  calls = 0;

  override enqueue(call: PendingCall): void {
    super.enqueue(call);
    this.calls += 1;
  }
}

/** A subnet in memory, and a validator's ledger, store and inbox on disk. Gone after the test. */
export interface Stage {
  readonly folder: string;
  readonly layout: CheckpointLayout;
  readonly network: Network;
  readonly chain: CountingChain;
  readonly client: FakeChainClient;
  readonly validator: Player;
  /** All miners; their UIDs begin at 1. */
  readonly miners: readonly Player[];
  miner(uid: number): Player;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly logger: MemoryLogger;
  readonly registry: Registry;
  readonly metrics: EvaluatorMetrics;
  ledger: Ledger;
  /** Closes the ledger and opens it again, as a restart does. */
  reopenLedger(): Promise<Ledger>;
}

/** The schedule is {@link NINE_PHASE_45}: cycle 0 commits at 25 and 28, submits 31–33, seed 34, merges 37–39. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "assay-stage-"));
  const { validator, miners } = await players(options.miners ?? 3);
  const chain = new CountingChain({
    netuid: NETUID,
    neurons: [
      { hotkey: validator.hotkey, stakeRao: 10n ** 12n, permit: true },
      ...miners.map(({ hotkey }) => ({ hotkey })),
    ],
    hyperparameters: { weightsRateLimit: 10, ...options.hyperparameters },
    ...(options.firstBlock !== undefined && { firstBlock: options.firstBlock }),
  });
  const client = new FakeChainClient({ chain, hotkey: validator.hotkey });
  await client.start(never);
  const layout = new CheckpointLayout(folder);
  const logger = createMemoryLogger("evaluator");
  const registry = new Registry();
  const store = await openStore(layout, options.model ?? false);
  const stage: Stage = {
    folder,
    layout,
    network: networkWith(options),
    chain,
    client,
    validator,
    miners,
    miner: (uid) => {
      const found = miners.find((each) => each.uid === uid);
      if (found === undefined) throw new RangeError(`There is no miner ${uid}`);
      return found;
    },
    store,
    inbox: new Inbox(layout.inbox),
    logger,
    registry,
    metrics: createEvaluatorMetrics(registry),
    ledger: await openLedger(folder),
    reopenLedger: async () => {
      await stage.ledger.stop();
      stage.ledger = await openLedger(folder);
      return stage.ledger;
    },
  };
  onTestFinished(async () => {
    await client.stop();
    await stage.ledger.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return stage;
}

/** The hotkey of a secret URI as a neuron of a slot. */
async function player(uid: number, uri: string): Promise<Player> {
  const signer = await loadHotkey({ uri });
  return { uid, signer, hotkey: signer.address };
}

/** The value of one series as `/metrics` shows it; undefined while there is none. */
export async function metric(
  { registry }: Pick<Stage, "registry">,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const found = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
  const matches = (series: { labels: Partial<Record<string, string | number>> }) =>
    Object.entries(labels).every(([label, value]) => series.labels[label] === value);
  return found?.values.find(matches)?.value;
}

async function players(count: number): Promise<{ readonly validator: Player; readonly miners: readonly Player[] }> {
  const validator = await player(VALIDATOR_UID, "//Validator//0");
  const miners = await Promise.all(Array.from({ length: count }, (_, index) => player(index + 1, `//Miner//${index}`)));
  return { validator, miners };
}

function networkWith({ schedule = NINE_PHASE_45, evaluation, weights }: StageOptions): Network {
  return {
    name: "test",
    blockMillis: 12_000,
    schedule,
    expertGroups: GROUPS,
    evaluation: { sequences: 6, sequenceLength: 16, policy: "relative_reduction", ...evaluation },
    merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
    ...(weights && { weights }),
  };
}

async function openStore(layout: CheckpointLayout, model: boolean): Promise<CheckpointStore> {
  const logger = createMemoryLogger();
  const store = new CheckpointStore({ logger }, { root: layout.root, keepVersions: 2 });
  await store.start();
  if (!model) return store;
  await writeTinyModel(join(layout.root, "model"));
  await store.importModel(join(layout.root, "model"), { groups: GROUPS });
  return store;
}

/** A validator's memory in a folder. */
export async function openLedger(folder: string): Promise<Ledger> {
  return await Ledger.open({ path: join(folder, "ledger.sqlite") }, { logger: createMemoryLogger() });
}
