import type { ChainClient } from "@assay/chain/chain-client";
import type { Round } from "@assay/core/round/round";
import type { RoundScore, ScoreState } from "@assay/core/scoring/round-scores";
import type { Hotkey, Uid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { MinerKind } from "../miners/miner-config.ts";
import type { Part } from "./cast.ts";

/** What one miner got in one cycle. */
export interface MinerReport {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly kind: MinerKind;
  readonly group: number;
  readonly lossBefore: number | null;
  readonly lossAfter: number | null;
  readonly w: number;
  /** Why `w` is zero; null for one that earned. */
  readonly reason: string | null;
  /** The moving average after this cycle; null while the miner has none. */
  readonly score: number | null;
}

export interface CycleReport {
  readonly cycle: number;
  /** Block whose state holds the weights. */
  readonly block: number;
  readonly miners: readonly MinerReport[];
  readonly weights: {
    readonly intended: Readonly<Record<string, number>>;
    readonly onChain: Readonly<Record<string, number>>;
  };
}

export interface ReportSources {
  readonly ledger: Ledger;
  readonly chain: ChainClient;
  readonly parts: readonly Part[];
  readonly validatorUid: Uid;
}

/** The report of a round whose weights were verified, with the weights read from the chain once more. */
export async function reportCycle(
  round: Round,
  intent: WeightIntent,
  { ledger, chain, parts, validatorUid }: ReportSources,
): Promise<CycleReport> {
  const block = intent.block ?? 0;
  const hash = await chain.blockHash(block);
  const [rows, states, stored] = await Promise.all([
    ledger.scores.rows(round.id),
    ledger.scores.book(),
    chain.weights(intent.netuid, validatorUid, hash ?? undefined),
  ]);
  return {
    cycle: round.cycle,
    block,
    miners: rows.map((row) => minerReport(row, parts, states)),
    weights: {
      intended: Object.fromEntries(intent.uids.map((uid, index) => [uid, intent.weights[index] ?? 0])),
      onChain: Object.fromEntries(stored),
    },
  };
}

/** Whether the chain holds exactly the weights that were meant. */
export function weightsAgree({ weights }: CycleReport): boolean {
  const keys = new Set([...Object.keys(weights.intended), ...Object.keys(weights.onChain)]);
  return keys.size > 0 && [...keys].every((uid) => weights.intended[uid] === weights.onChain[uid]);
}

function minerReport(row: RoundScore, parts: readonly Part[], states: readonly ScoreState[]): MinerReport {
  const part = parts[row.uid - 1];
  if (part === undefined) throw new RangeError(`No part has uid ${row.uid}`);
  return {
    uid: row.uid,
    hotkey: row.hotkey,
    kind: part.kind,
    group: part.group,
    lossBefore: row.lossBefore,
    lossAfter: row.lossAfter,
    w: row.w,
    reason: row.reason,
    score: states.find((state) => state.uid === row.uid)?.ema ?? null,
  };
}
