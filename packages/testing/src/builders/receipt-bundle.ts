import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import type { Network } from "@assay/core/network";
import type { Bundle, BundleHeader } from "@assay/core/receipts/bundle";
import { bookAfter } from "@assay/core/receipts/check-scores";
import { type BundleFacts, composeBundle } from "@assay/core/receipts/compose-bundle";
import { recordedFacts, recordedPlan } from "@assay/core/receipts/weight-record";
import type { RosterEntry } from "@assay/core/round/round";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import { chooseBatches } from "@assay/core/sampling/selection";
import type { EvaluationOutcome, FailedEvaluation, MeasuredLosses } from "@assay/core/scoring/outcome";
import { scoringPolicy } from "@assay/core/scoring/policies/policies";
import { type RoundFindings, roundScores, type ScoreState } from "@assay/core/scoring/round-scores";
import type { Hotkey } from "@assay/core/units";
import { planWeights } from "@assay/core/weights/plan-weights";

/** Rules under which {@link receiptBundle} is made. */
const BUNDLE_NETWORK: Network = {
  name: "sample",
  blockMillis: 200,
  schedule: {
    distribute: 5,
    train: 10,
    minerCommit1: 2,
    minerCommit2: 2,
    submission: 4,
    validate: 4,
    merge: 2,
    validatorCommit1: 2,
    validatorCommit2: 2,
  },
  expertGroups: 2,
  evaluation: { sequences: 6, sequenceLength: 32, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
  weights: { burnShare: 0.1, allZero: "skip" },
};

const WEIGHT_OF_OLD = 0.9;
const SEED_BLOCK_HASH = `0x${"5e".repeat(32)}`;

/** A hotkey that signs. */
interface BundleSigner {
  readonly address: Hotkey;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Keys of the validator and of six miners, whose numbers are uids 1 to 6. */
export interface BundleKeys {
  readonly validator: BundleSigner;
  readonly miners: readonly BundleSigner[];
}

/**
 * A bundle in which everything occurs once: two measured miners, one that did not improve, a duplicate, one rejected,
 * one that we failed to measure; averages of earlier rounds, and weights with a share to burn.
 */
export function receiptBundle(keys: BundleKeys, change: Partial<BundleHeader> = {}): Bundle {
  return composeBundle(bundleFacts(keys, change), (bytes) => encodeBase64Url(keys.validator.sign(bytes)));
}

/** What {@link receiptBundle} is made of; `measured` takes the place of made-up losses, by uid. */
export function bundleFacts(
  { validator, miners }: BundleKeys,
  change: Partial<BundleHeader> = {},
  measured: ReadonlyMap<number, MeasuredLosses> = new Map(),
): BundleFacts {
  const roster = miners.map((miner, index) => rosterEntry(miner, index + 1));
  const header: BundleHeader = { ...sampleHeader(validator, roster), ...change };
  const findings = findingsOf(header, measured);
  const before = sampleStates(miners);
  const policy = scoringPolicy(header.network.evaluation.policy);
  const book = new Map(before.map((state) => [state.uid, state]));
  const { rows, states } = roundScores({ ...findings, round: header.round }, book, {
    policy,
    weightOfOld: header.weightOfOld,
  });
  const after = bookAfter(before, states);
  const holders = [validator, ...miners].map(({ address }, uid) => ({ uid, hotkey: address }));
  const facts = {
    memory: {
      standings: after.map(({ uid, hotkey, ema }) => ({ uid, hotkey, value: ema })),
      last: { uids: [1], weights: [65_535], hotkeys: [miners[0]?.address ?? ""] },
      earnedUntil: header.round.cycle,
    },
    subnet: {
      block: 70,
      neurons: holders,
      hyperparameters: { minAllowedWeights: 1, maxWeightsLimit: 65_535, ownerHotkey: validator.address },
    },
    ownHotkey: validator.address,
    votes: [],
  };
  const plan = recordedPlan(planWeights(facts, header.network));
  const weights = { ...recordedFacts(facts, `0x${"b0".repeat(32)}`), plan };
  return { header, findings, rows, scores: { before, after }, weights };
}

/** What {@link bundleFacts} takes as measured: a bundle's losses as a device gives them that is off by so much per token. */
export function deviceLosses({ receipts }: Bundle, natsPerToken: number): ReadonlyMap<number, MeasuredLosses> {
  return new Map(
    receipts.flatMap(({ receipt: { uid, evaluation } }) => {
      if (evaluation.kind !== "scored") return [];
      const { kind: _, seconds: _seconds, ...losses } = evaluation;
      const batchLosses = losses.batchLosses.map(({ tokens, before, after }, batch) => {
        const off = tokens * natsPerToken * (batch % 2 === 0 ? 1 : -1);
        return { tokens, before: before + off, after: after - off };
      });
      return [[uid, { ...losses, ...meanOf(batchLosses), batchLosses }] as const];
    }),
  );
}

function meanOf(batchLosses: MeasuredLosses["batchLosses"]) {
  const sum = (of: (batch: (typeof batchLosses)[number]) => number) =>
    batchLosses.reduce((total, batch) => total + of(batch), 0);
  const tokens = sum((batch) => batch.tokens);
  return {
    lossBefore: sum(({ before }) => before) / tokens,
    lossAfter: sum(({ after }) => after) / tokens,
    tokens,
  };
}

function sampleHeader(validator: BundleSigner, roster: readonly RosterEntry[]): BundleHeader {
  return {
    schema: 1,
    code: "0.1.0",
    netuid: 2,
    validator: validator.address,
    closedAt: Date.UTC(2026, 10, 21, 23, 30),
    previous: "aa".repeat(32),
    network: BUNDLE_NETWORK,
    weightOfOld: WEIGHT_OF_OLD,
    round: {
      id: 52,
      cycle: 1,
      snapshotHash: `0x${"c0".repeat(32)}`,
      submissionFirst: 52,
      submissionLast: 55,
      seedBlock: 56,
      evaluationDeadline: 80,
      baseVersion: 3,
      roster,
    },
    baseDigest: "ba".repeat(32),
    seed: { blockHash: SEED_BLOCK_HASH, value: roundSeed(combinedSeed(new Map()), SEED_BLOCK_HASH) },
    doorWasOpen: true,
  };
}

/** Miners 1 and 4 committed the same file, 4 later. */
function rosterEntry(miner: BundleSigner, uid: number): RosterEntry {
  const file = uid === 4 ? 1 : uid;
  const hash = file.toString(16).padStart(2, "0").repeat(32);
  const signature = encodeBase64Url(miner.sign(committedHashMessage(hash)));
  return {
    uid,
    hotkey: miner.address,
    group: uid === 4 || uid % 2 === 1 ? 0 : 1,
    commitment: { hash, signature, block: 40 + uid },
  };
}

/** One that was there before, one whose slot another hotkey had. */
function sampleStates(miners: readonly BundleSigner[]): readonly ScoreState[] {
  return [
    { uid: 1, hotkey: miners[0]?.address ?? "", ema: 0.05, points: 1, lastRound: 17 },
    { uid: 2, hotkey: miners[4]?.address ?? "", ema: 0.3, points: 4, lastRound: 17 },
  ];
}

function findingsOf(
  { round, seed }: BundleHeader,
  known: ReadonlyMap<number, MeasuredLosses>,
): Omit<RoundFindings, "round"> {
  const keyOf = (uid: number) => ({ roundId: round.id, uid, hotkey: round.roster[uid - 1]?.hotkey ?? "" });
  const accepted = [1, 2, 3, 4, 6].map((uid) => {
    const sha256 = round.roster[uid - 1]?.commitment?.hash ?? "";
    return { ...keyOf(uid), kind: "accepted" as const, path: "", sha256, bytes: 4096 };
  });
  const measured = (uid: number, gain: number): EvaluationOutcome => ({
    ...keyOf(uid),
    ...(known.get(uid) ?? measuredOn(seed?.value ?? "", gain)),
    kind: "scored",
    seconds: 0.25,
  });
  const evaluations: readonly (EvaluationOutcome | FailedEvaluation)[] = [
    measured(1, 0.03),
    measured(2, 0.01),
    measured(3, -0.02),
    { ...keyOf(4), kind: "rejected", reason: "duplicate", detail: "" },
    { ...keyOf(6), kind: "failed", code: "EVALUATION_FAILED", message: "" },
  ];
  return {
    submissions: [...accepted, { ...keyOf(5), kind: "rejected", reason: "hash_mismatch", detail: "" }],
    evaluations,
    arrived: new Set([1, 2, 3, 4, 5, 6]),
    doorWasOpen: true,
  };
}

/** Three batches of two sequences; what is removed differs a little from batch to batch. */
function measuredOn(seed: string, gain: number) {
  const batchLosses = [0.9, 1, 1.1].map((share, batch) => ({
    tokens: 64,
    before: 64 * (2.7 + batch / 10),
    after: 64 * (2.7 + batch / 10 - gain * share),
  }));
  return {
    ...meanOf(batchLosses),
    batchLosses,
    band: 1e-5,
    datasetSha256: "da".repeat(32),
    text: {
      tokenizerSha256: "70".repeat(32),
      sequences: 40,
      batchSize: 2,
      chosen: chooseBatches({ sequences: 40, count: 6, seed }),
    },
    runtime: { library: "onnxruntime-node 1.30.0", node: "24.21.0", device: "cpu", threads: 1 },
  };
}
