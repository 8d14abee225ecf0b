import { setTimeout as sleep } from "node:timers/promises";
import type { BlockNumber } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Series, ValidatorWatch } from "./validator-watch.ts";

/** A metric that did not say what is so. */
export interface WrongMetric {
  readonly cycle: number;
  readonly name: string;
  readonly shown: number | null;
  readonly expected: number;
}

/** What the metrics must say by what the chain and the ledger say. */
export type Expected = Readonly<Record<string, number>>;

/** The validator may be between a fact and its metric, or starting. */
const PATIENCE_MILLIS = 20_000;
const POLL_MILLIS = 200;

/**
 * The published metrics of chain and evaluation, counted again: submissions and mean score of the newest rounds, merges
 * agreed, the newest result of the weights, tempos since the newest verified ones.
 *
 * @param temposSince how many epochs have begun after a final block
 */
export async function expectedMetrics(
  ledger: Ledger,
  temposSince: (block: BlockNumber) => Promise<number | null>,
): Promise<Expected> {
  const closed = await ledger.rounds.latestClosed();
  const newest = (await ledger.rounds.open()).at(-1) ?? closed;
  if (closed === null || newest === null) return {};
  const rows = (await ledger.scores.rows(closed.round.id)).filter(({ lossAfter }) => lossAfter !== null);
  const result = await ledger.intents.latestResult();
  const verified = await ledger.verifiedWeights.newestBlock();
  const tempos = verified === null ? null : await temposSince(verified);
  return {
    "eval/submissions_per_cycle": (await ledger.submissions.list(newest.round.id)).length,
    ...(rows.length > 0 && { "eval/avg_w_i": rows.reduce((sum, { w }) => sum + w, 0) / rows.length }),
    ...(result !== null && { "chain/set_weights_success": result.state === "verified" ? 1 : 0 }),
    ...(tempos !== null && { evaluator_tempos_since_verified_weights: tempos }),
  };
}

/** Those that are still wrong after some patience. */
export async function wrongMetrics(
  cycle: number,
  watch: ValidatorWatch,
  expected: () => Promise<Expected>,
): Promise<readonly WrongMetric[]> {
  const until = performance.now() + PATIENCE_MILLIS;
  for (;;) {
    const wrong = differences(cycle, (await watch.series()) ?? {}, await expected());
    if (wrong.length === 0 || performance.now() > until) return wrong;
    await sleep(POLL_MILLIS);
  }
}

function differences(cycle: number, series: Series, expected: Expected): readonly WrongMetric[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const shown = series[name] ?? null;
    const isRight = shown !== null && Math.abs(shown - value) <= 1e-9;
    return isRight ? [] : [{ cycle, name, shown, expected: value }];
  });
}
