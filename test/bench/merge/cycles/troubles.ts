import { blockReached } from "@assay/chain/block-reached";
import { phaseWindow } from "@assay/core/cycle/phase";
import type { BlockNumber } from "@assay/core/units";
import type { LocalValidator } from "@assay/localnet/stage/local-validator";
import type { FaultProxy } from "@assay/testing/network/fault-proxy";
import { type MergeStage, NETWORK } from "./stage.ts";
import {
  cutShort,
  hugeNorm,
  notFinite,
  offerOf,
  otherBytes,
  otherLength,
  otherMomentum,
  type Tamper,
} from "./tampering.ts";

/** One validator's trouble in one cycle. */
export interface TroubleScene {
  readonly stage: MergeStage;
  readonly cycle: number;
  readonly peer: LocalValidator;
  /** The line to it. */
  readonly line: FaultProxy;
  readonly signal: AbortSignal;
}

export interface Trouble {
  readonly kind: string;
  /** How the others leave it out; null when they need not. */
  readonly reason: readonly string[] | null;
  readonly play: (scene: TroubleScene) => Promise<void>;
}

/** Of the line to one peer: too few to fetch anything in time. */
const SLOW_BYTES_PER_SECOND = 200;

export const TROUBLES: readonly Trouble[] = [
  { kind: "slow", reason: ["absent", "unreachable"], play: slowLine },
  { kind: "wrong_hash", reason: ["wrong_hash"], play: lie(otherBytes) },
  { kind: "wrong_length", reason: ["wrong_length"], play: lie(otherLength) },
  { kind: "cut_short", reason: ["unreachable", "wrong_length", "wrong_hash"], play: lie(cutShort) },
  { kind: "non_finite", reason: ["non_finite"], play: lie(notFinite) },
  { kind: "huge_norm", reason: ["norm_too_large"], play: lie(hugeNorm) },
  { kind: "different_base", reason: ["different_base"], play: lie(otherMomentum) },
  { kind: "killed", reason: null, play: killed },
  { kind: "killed_for_long", reason: ["absent", "unreachable"], play: killedForLong },
];

/** Its line is slow from before the merge until the others have ended it. */
async function slowLine({ stage, cycle, line, signal }: TroubleScene): Promise<void> {
  const { firstBlock, lastBlock } = phaseWindow(cycle, "merge", NETWORK.schedule);
  await blockReached(stage.chain, firstBlock, signal);
  line.fail({ kind: "slow", bytesPerSecond: SLOW_BYTES_PER_SECOND });
  await blockReached(stage.chain, lastBlock, signal);
  line.fail(null);
}

function lie(tamper: Tamper): Trouble["play"] {
  return async ({ cycle, peer, signal }) => await tamper(await offerOf(peer.cache, cycle, signal));
}

/** In the middle of the merge, and started again at once. */
async function killed({ stage, cycle, peer, signal }: TroubleScene): Promise<void> {
  await blockReached(stage.chain, mergeBegins(cycle) + 2, signal);
  await peer.killEvaluator();
  await peer.startEvaluator();
}

/** Before the merge, and started again when it is over. */
async function killedForLong({ stage, cycle, peer, signal }: TroubleScene): Promise<void> {
  await blockReached(stage.chain, mergeBegins(cycle) - 2, signal);
  await peer.killEvaluator();
  await blockReached(stage.chain, phaseWindow(cycle, "merge", NETWORK.schedule).lastBlock, signal);
  await peer.startEvaluator();
}

/** The block from which the merge's time runs, as the evaluator has it. */
function mergeBegins(cycle: number): BlockNumber {
  const { lastBlock } = phaseWindow(cycle, "merge", NETWORK.schedule);
  const seconds = NETWORK.merge.timeoutSeconds ?? Number.NaN;
  return lastBlock - Math.ceil((seconds * 1000) / NETWORK.blockMillis);
}
