import type { Uid } from "../../units.ts";
import type { BatchLoss } from "../outcome.ts";
import { decideStage, type Stop } from "./decide-stage.ts";
import type { SequentialRules } from "./stages.ts";

/** What came of one stage of one submission. */
export type StageResult =
  /** `batchesLeft`: how many batches of the round's text come after these. */
  | { readonly kind: "measured"; readonly batchLosses: readonly BatchLoss[]; readonly batchesLeft: number }
  /** It was rejected, or we failed; either way it is not measured on. */
  | { readonly kind: "ended" };

export interface Entrant {
  readonly uid: Uid;
  /** From the first stage on, without holes. */
  readonly results: readonly StageResult[];
}

/** What does not change during a contest. */
export interface ContestRules extends Pick<SequentialRules, "keep" | "errorLevel"> {
  /** How many stages there are at most. */
  readonly stages: number;
}

/** Where the round is. */
export interface ContestMoment {
  /** Nobody is going to enter any more. */
  readonly complete: boolean;
  /** No time is left: who was measured at all is over, and nobody is stopped. */
  readonly closing: boolean;
}

export interface ContestStanding {
  /** Stages to measure now. */
  readonly asks: readonly { readonly uid: Uid; readonly stage: number }[];
  /** Who is not measured on, for whatever reason. */
  readonly over: ReadonlySet<Uid>;
  /** Who of them was stopped. */
  readonly stops: ReadonlyMap<Uid, Stop>;
}

/**
 * How far one group's contest has come, replayed from the results of its stages.
 *
 * After each stage it waits until all have its result and nobody enters any more, then stops whom {@link decideStage}
 * names. Once there are no more than are kept nobody waits for anybody. The same results give the same standing, so
 * decisions need not be written down.
 */
export function contestStanding(
  entrants: readonly Entrant[],
  rules: ContestRules,
  { complete, closing }: ContestMoment,
): ContestStanding {
  const contest = new Contest(entrants, rules);
  if (closing) contest.close();
  else contest.replay(complete);
  return contest;
}

class Contest implements ContestStanding {
  readonly asks: { readonly uid: Uid; readonly stage: number }[] = [];
  readonly over = new Set<Uid>();
  readonly stops = new Map<Uid, Stop>();
  readonly #entrants: readonly Entrant[];
  readonly #rules: ContestRules;

  constructor(entrants: readonly Entrant[], rules: ContestRules) {
    this.#entrants = [...entrants].sort((a, b) => a.uid - b.uid);
    this.#rules = rules;
  }

  close(): void {
    for (const { uid, results } of this.#entrants) {
      if (results.length === 0) this.asks.push({ uid, stage: 0 });
      else this.over.add(uid);
    }
  }

  replay(complete: boolean): void {
    for (let stage = 0; stage < this.#rules.stages; stage += 1) {
      this.#retire(({ results }) => results[stage]?.kind === "ended");
      const running = this.#running();
      const isSettled = complete || stage > 0;
      if (isSettled && running.length <= this.#rules.keep) {
        this.#runOn(running);
        return;
      }
      const missing = running.filter(({ results }) => results.length <= stage);
      this.asks.push(...missing.map(({ uid }) => ({ uid, stage })));
      if (missing.length > 0 || !isSettled) return;
      this.#retire(({ results }) => stage === this.#rules.stages - 1 || isLast(results[stage]));
      this.#decide(stage);
    }
  }

  #running(): readonly Entrant[] {
    return this.#entrants.filter(({ uid }) => !this.over.has(uid));
  }

  #retire(isOver: (entrant: Entrant) => boolean): void {
    for (const entrant of this.#running()) if (isOver(entrant)) this.over.add(entrant.uid);
  }

  /** Nobody can stop any more: everybody goes through the stages on its own. */
  #runOn(running: readonly Entrant[]): void {
    for (const { uid, results } of running) {
      const newest = results.at(-1);
      if (results.length === this.#rules.stages || newest?.kind === "ended" || isLast(newest)) this.over.add(uid);
      else this.asks.push({ uid, stage: results.length });
    }
  }

  #decide(stage: number): void {
    const contestants = this.#running().map(({ uid, results }) => ({
      uid,
      batchLosses: results
        .slice(0, stage + 1)
        .flatMap((result) => (result.kind === "measured" ? result.batchLosses : [])),
    }));
    if (contestants.length === 0) return;
    const entrants = this.#entrants.filter(({ results }) => results[0]?.kind === "measured").length;
    const { keep, errorLevel, stages } = this.#rules;
    for (const [uid, stop] of decideStage(contestants, { keep, errorLevel, looks: stages - 1, entrants })) {
      this.stops.set(uid, stop);
      this.over.add(uid);
    }
  }
}

function isLast(result: StageResult | undefined): boolean {
  return result?.kind === "measured" && result.batchesLeft === 0;
}
