import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient } from "@assay/chain/chain-client";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { PHASES, type Phase, phaseWindow } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import { scoreOf } from "@assay/core/scoring/score";
import { emaNext } from "@assay/core/scoring/score-book";
import { weightVector } from "@assay/core/weights/weight-vector";
import { InProcessEvaluator } from "@assay/evaluation/in-process-evaluator";
import { Ledger } from "@assay/ledger/ledger";
import type { Part } from "@assay/localnet/stage/cast";
import { type CycleReport, weightsAgree } from "@assay/localnet/stage/cycle-report";
import { followCycles } from "@assay/localnet/stage/follow-cycles";
import { LocalSubnet, VALIDATOR_UID } from "@assay/localnet/stage/local-subnet";
import { prepareModel } from "@assay/localnet/stage/prepare-model";
import { makeFolders, type StageFolders } from "@assay/localnet/stage/stage-files";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";

/** Every phase is long enough for the evaluator to come back within it on a slow machine. */
const network: Network = {
  name: "kill-test",
  blockMillis: 250,
  schedule: {
    distribute: 40,
    train: 40,
    minerCommit1: 36,
    minerCommit2: 36,
    submission: 72,
    validate: 40,
    merge: 48,
    validatorCommit1: 36,
    validatorCommit2: 36,
  },
  expertGroups: 4,
  evaluation: { sequences: 32, sequenceLength: 64, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
};

const parts: readonly Part[] = [
  { kind: "honest", group: 0, strength: 12, pull: false },
  { kind: "honest", group: 0, strength: 4, pull: true },
  { kind: "honest", group: 1, strength: 8, pull: false },
  { kind: "nan", group: 1, strength: 0, pull: false },
];

const logger = createMemoryLogger();
let folders: StageFolders;
let subnet: LocalSubnet;
let chain: ChainClient;
const abort = new AbortController();

beforeAll(async () => {
  folders = await makeFolders(await mkdtemp(join(tmpdir(), "assay-e2e-kill-")));
  await prepareModel(folders, () => undefined);
  subnet = new LocalSubnet({ folders, network, parts, evaluatorEnv: { QUEUE_LOCK_SECONDS: "3" } });
  await subnet.start(logger);
  chain = subnet.createChainReader(logger);
  await chain.start(abort.signal);
}, 240_000);

afterAll(async () => {
  abort.abort();
  await chain.stop();
  await subnet.stop();
  await rm(folders.root, { recursive: true, force: true });
}, 60_000);

test("an evaluator killed once in every phase of a cycle sets the weights that the submissions deserve", async () => {
  await subnet.run();
  for (const phase of PHASES) await killIn(phase, 0);
  const reports: CycleReport[] = [];
  const expected: Record<string, number>[] = [];
  const averages = new Map<number, number>();
  const ledger = await Ledger.open({ path: subnet.validator.ledgerPath }, { logger });
  onTestFinished(async () => await ledger.stop());
  const sources = { ledger, chain, parts, validatorUid: VALIDATOR_UID };
  for await (const report of followCycles(sources, { count: 2, network }, abort.signal)) {
    reports.push(report);
    // At once: the submissions are deleted when the next round has been closed.
    expected.push(await expectedWeights(report.cycle, ledger, averages));
  }
  expect(reports.map(({ weights }) => weights.onChain)).toEqual(expected);
  expect(reports.every(weightsAgree)).toBe(true);
  for (const { miners } of reports) {
    expect(miners.map(({ kind, reason }) => [kind, reason])).toEqual([
      ["honest", null],
      ["honest", null],
      ["honest", null],
      ["nan", "non_finite_weights"],
    ]);
  }
}, 420_000);

/** Kills the evaluator in the middle of a phase's first third, and starts it again. */
async function killIn(phase: Phase, cycle: number): Promise<void> {
  const { firstBlock, lastBlock } = phaseWindow(cycle, phase, network.schedule);
  await blockReached(chain, firstBlock + Math.floor((lastBlock - firstBlock) / 6), abort.signal);
  await subnet.validator.killEvaluator();
  await subnet.validator.startEvaluator();
}

/** What an evaluation of the same submissions without any interruption gives for a cycle. */
async function expectedWeights(
  cycle: number,
  ledger: Ledger,
  averages: Map<number, number>,
): Promise<Record<string, number>> {
  const record = await ledger.rounds.get(phaseWindow(cycle, "submission", network.schedule).firstBlock as number);
  if (record === null) throw new Error(`No round of cycle ${cycle}`);
  const options = {
    evalDatasetPath: folders.heldOut,
    tokenCacheDirectory: null,
    batchSize: 8,
    timeoutMillis: 120_000,
    threads: 1,
  };
  const evaluator = new InProcessEvaluator({ logger }, { ...options, ...network.evaluation });
  await evaluator.start(abort.signal);
  try {
    for (const [uid, w] of await measure(record.round, evaluator)) {
      averages.set(uid, emaNext(averages.get(uid) ?? null, w, 0.9));
    }
  } finally {
    await evaluator.stop();
  }
  const { uids, weights } = weightVector(averages);
  return Object.fromEntries(uids.map((uid, index) => [uid, weights[index] ?? 0]));
}

async function measure(round: Round, evaluator: InProcessEvaluator): Promise<ReadonlyMap<number, number>> {
  const layout = new CheckpointLayout(folders.cache);
  const seed = roundSeed(combinedSeed(new Map()), (await chain.blockHash(round.seedBlock)) ?? "");
  const scores = new Map<number, number>();
  for (const { uid, group, commitment } of round.roster) {
    if (parts[uid - 1]?.kind !== "honest") {
      scores.set(uid, 0);
      continue;
    }
    const sha256 = commitment?.hash ?? "";
    const measured = await evaluator.evaluate(
      {
        base: { directory: layout.version(round.baseVersion), version: round.baseVersion },
        group,
        submission: { path: layout.submission(round.id, sha256), sha256 },
        seed,
      },
      abort.signal,
    );
    if (measured.kind !== "measured") throw new Error(measured.detail);
    scores.set(uid, scoreOf(measured.lossBefore, measured.lossAfter));
  }
  return scores;
}
