import type { Hotkey, Netuid, Sha256Hex } from "../../units.ts";
import { Agreement, MOST_STATEMENTS, type Verdict } from "./agreement.ts";
import { afterResults, isQuorum, type LeftOut, type MergeGround, membersOf } from "./membership.ts";
import { type DealtChunk, dealChunks } from "./shards.ts";
import {
  type Announcement,
  type Contribution,
  type Envelope,
  type Final,
  membersDigest,
  type Objection,
  type ReduceFailure,
  type Result,
  type Statement,
} from "./statement.ts";
import { announcementStage, finalStage, resultStage, roundAt, type Stage } from "./timetable.ts";
import type { Voice } from "./voice.ts";

export interface ExchangeTerms extends MergeGround {
  readonly netuid: Netuid;
  readonly cycle: number;
  /** Everybody who may merge, ourselves among them. */
  readonly expected: readonly Hotkey[];
}

/** What an attempt averages, and who does it. */
export interface Attempt {
  readonly attempt: number;
  readonly members: ReadonlyMap<Hotkey, Announcement>;
  readonly deal: readonly DealtChunk[];
}

/** What is to be done now. Stays the same until {@link MergeExchange.advance} says otherwise. */
export type ExchangeStep =
  | { readonly kind: "announcing" }
  /** Average the chunks dealt to us and say so with `reduced`, by this share of the timeout. */
  | { readonly kind: "reducing"; readonly attempt: Attempt; readonly due: number }
  /** Collect all averages, make the version and say so with `finished`, by this share of the timeout. */
  | {
      readonly kind: "gathering";
      readonly attempt: Attempt;
      readonly results: ReadonlyMap<Hotkey, Result>;
      readonly due: number;
    }
  /** Publish the version that was made. */
  | { readonly kind: "agreed"; readonly attempt: Attempt; readonly finals: ReadonlyMap<Hotkey, Verdict<Final>> }
  /** Publish nothing. */
  | { readonly kind: "given_up"; readonly reason: GivenUpReason };

/** Digests of a version and of the momentum that belongs to it. */
export interface AgreedVersion {
  readonly version: Sha256Hex;
  readonly momentum: Sha256Hex;
}

const NO_VERSION = { version: null, momentum: null };

export type GivenUpReason =
  /** Too few were left to merge. */
  | "no_quorum"
  /** Nobody offered anything. */
  | "nothing_to_merge"
  /** We were left out ourselves. */
  | "left_out"
  /** The attempts are used up. */
  | "out_of_time"
  /** An average is wrong. */
  | "wrong_average";

/**
 * One cycle's merge between validators, as far as it is rules: what was said, what follows from it, what is to be done.
 *
 * No clock and no network: time is told to it, as the share of the timeout that has passed, and so is what others said.
 * All honest members that are told the same come to the same step with the same members.
 */
export class MergeExchange {
  readonly #voice: Voice;
  readonly #terms: ExchangeTerms;
  readonly #leftOut: LeftOut[] = [];
  readonly #ended: Agreement[] = [];
  readonly #restored: Envelope[] = [];
  #agreement: Agreement;
  #stage: Stage = announcementStage();
  #step: ExchangeStep = { kind: "announcing" };
  #announced = 0;

  constructor(voice: Voice, terms: ExchangeTerms) {
    this.#voice = voice;
    this.#terms = terms;
    this.#agreement = this.#agree("announcement", 0, terms.expected);
  }

  get step(): ExchangeStep {
    return this.#step;
  }

  /** Who takes no part, or no longer, and why; in the order in which they were left out. */
  get leftOut(): readonly LeftOut[] {
    return this.#leftOut;
  }

  /** Everything to hand on: also of agreements that are over, for those who are not as far. */
  envelopes(): readonly Envelope[] {
    return [...this.#ended, this.#agreement].flatMap((agreement) => agreement.envelopes());
  }

  /** What we offer; once. */
  announce(contributions: readonly Contribution[]): void {
    const { base, momentum } = this.#terms;
    this.#agreement.say({ ...this.#head(), kind: "announcement", attempt: 0, base, momentum, contributions });
  }

  /** The digest of our averages' table, or who kept us from making them. */
  reduced(outcome: { readonly table: Sha256Hex } | { readonly failures: readonly ReduceFailure[] }): void {
    if (this.#step.kind !== "reducing") throw new RangeError("Nothing is to be averaged now");
    const { attempt, members } = this.#step.attempt;
    const named = membersDigest([...members.keys()]);
    const said = "table" in outcome ? { table: outcome.table, failures: [] } : { table: null, ...outcome };
    this.#agreement.say({ ...this.#head(), kind: "result", attempt, members: named, ...said });
  }

  /** The version that we have ready, or what speaks against it. */
  finished(
    outcome:
      | { readonly version: Sha256Hex; readonly momentum: Sha256Hex }
      | { readonly objections: readonly Objection[] },
  ): void {
    if (this.#step.kind !== "gathering") throw new RangeError("Nothing is to be finished now");
    const { attempt, members } = this.#step.attempt;
    const named = membersDigest([...members.keys()]);
    const said = "version" in outcome ? { ...outcome, objections: [] } : { version: null, momentum: null, ...outcome };
    this.#agreement.say({ ...this.#head(), kind: "final", attempt, members: named, ...said });
  }

  /**
   * What another member handed us, at this share of the timeout.
   *
   * @returns false when it proves that this member lies: it hands on what nobody signed, or more than there can be.
   */
  receive(envelopes: readonly Envelope[], share: number): boolean {
    const round = roundAt(share, this.#stage);
    if (round === null) return true;
    const counts = new Map<string, number>();
    return envelopes.every((envelope) => {
      const { author, kind, attempt } = envelope.statement;
      const key = `${author} ${kind} ${attempt}`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return count <= MOST_STATEMENTS && this.#agreement.receive(envelope, round);
    });
  }

  /** What we held and signed before a restart: we must not say or endorse anything else now. */
  restore(envelopes: readonly Envelope[]): void {
    this.#restored.push(...envelopes);
    this.#agreement.restore(envelopes);
  }

  /** What we said in the step that runs; null before. */
  get spoken(): Statement | null {
    const verdict = this.#agreement.verdicts().get(this.#voice.hotkey);
    return verdict?.kind === "said" ? verdict.statement : null;
  }

  /** The version that more than half of the members have ready, and its momentum; null without such a majority. */
  get agreedVersion(): AgreedVersion | null {
    if (this.#step.kind !== "agreed") return null;
    const { attempt, finals } = this.#step;
    const named = [...finals.values()].flatMap((verdict) => {
      const { version, momentum } = verdict.kind === "said" ? verdict.statement : NO_VERSION;
      return version === null || momentum === null ? [] : [{ version, momentum }];
    });
    const count = (wanted: AgreedVersion) =>
      named.filter(({ version, momentum }) => version === wanted.version && momentum === wanted.momentum).length;
    return named.find((each) => 2 * count(each) > attempt.members.size) ?? null;
  }

  /** Goes on to the next step if this one is over at this share of the timeout. */
  advance(share: number): ExchangeStep {
    const isOver = roundAt(share, this.#stage) === null;
    if (isEnd(this.#step) || !(isOver || this.#agreement.isCertain)) return this.#step;
    this.#step = this.#next();
    return this.#step;
  }

  /** Who has the agreed version ready; nobody without one. */
  get synced(): readonly Hotkey[] {
    const agreed = this.agreedVersion;
    if (this.#step.kind !== "agreed" || agreed === null) return [];
    return [...this.#step.finals].flatMap(([hotkey, verdict]) => {
      const { version, momentum } = verdict.kind === "said" ? verdict.statement : NO_VERSION;
      return version === agreed.version && momentum === agreed.momentum ? [hotkey] : [];
    });
  }

  /** Objections to averages, to be looked into by everybody before publishing: the first of each member. */
  objections(): readonly (Objection & { readonly by: Hotkey })[] {
    if (this.#step.kind !== "agreed") return [];
    return [...this.#step.finals].flatMap(([by, verdict]) =>
      verdict.kind === "said" ? verdict.statement.objections.slice(0, 1).map((each) => ({ ...each, by })) : [],
    );
  }

  /** Called when an objection proved right: nothing is published, and the reducer is named. */
  uphold({ reducer }: Objection): ExchangeStep {
    this.#leftOut.push({ hotkey: reducer, reason: "wrong_average" });
    this.#step = { kind: "given_up", reason: "wrong_average" };
    return this.#step;
  }

  #next(): ExchangeStep {
    switch (this.#step.kind) {
      case "announcing":
        return this.#afterAnnouncements(this.#agreement.verdicts());
      case "reducing":
        return this.#afterResults(this.#step.attempt, this.#agreement.verdicts());
      case "gathering":
        return { kind: "agreed", attempt: this.#step.attempt, finals: this.#agreement.verdicts() };
      default:
        return this.#step;
    }
  }

  #afterAnnouncements(verdicts: ReadonlyMap<Hotkey, Verdict<Announcement>>): ExchangeStep {
    this.#announced = [...verdicts.values()].filter(({ kind }) => kind !== "absent").length;
    const { members, leftOut } = membersOf(verdicts, this.#terms);
    this.#leftOut.push(...leftOut);
    return this.#reduce(1, members);
  }

  #afterResults({ attempt, members }: Attempt, verdicts: ReadonlyMap<Hotkey, Verdict<Result>>): ExchangeStep {
    const named = membersDigest([...members.keys()]);
    const ofThisDeal = new Map([...verdicts].map(([hotkey, verdict]) => [hotkey, onlyOf(named, verdict)]));
    const after = afterResults(members, ofThisDeal);
    if (after.leftOut.length > 0) {
      this.#leftOut.push(...after.leftOut);
      return this.#reduce(attempt + 1, after.members);
    }
    const results = new Map(
      [...ofThisDeal].flatMap(([hotkey, verdict]) => (verdict.kind === "said" ? [[hotkey, verdict.statement]] : [])),
    );
    this.#begin(finalStage(), this.#agree("final", attempt, [...members.keys()]));
    const deal = dealChunks(members);
    return { kind: "gathering", attempt: { attempt, members, deal }, results, due: finalStage().due };
  }

  #reduce(attempt: number, members: ReadonlyMap<Hotkey, Announcement>): ExchangeStep {
    if (!members.has(this.#voice.hotkey)) return { kind: "given_up", reason: "left_out" };
    if (!isQuorum(members.size, this.#announced)) return { kind: "given_up", reason: "no_quorum" };
    const stage = resultStage(attempt);
    if (stage === null) return { kind: "given_up", reason: "out_of_time" };
    const deal = dealChunks(members);
    if (deal.length === 0) return { kind: "given_up", reason: "nothing_to_merge" };
    this.#begin(stage, this.#agree("result", attempt, [...members.keys()]));
    return { kind: "reducing", attempt: { attempt, members, deal }, due: stage.due };
  }

  #begin(stage: Stage, agreement: Agreement): void {
    this.#ended.push(this.#agreement);
    this.#agreement = agreement;
    this.#stage = stage;
  }

  #agree(kind: "announcement" | "result" | "final", attempt: number, members: readonly Hotkey[]): Agreement {
    const { netuid, cycle } = this.#terms;
    const agreement = new Agreement(this.#voice, { netuid, cycle, kind, attempt, members });
    agreement.restore(this.#restored);
    return agreement;
  }

  #head() {
    const { netuid, cycle } = this.#terms;
    return { netuid, cycle, author: this.#voice.hotkey };
  }
}

/** A result for another set of members is none. */
function onlyOf(members: Sha256Hex, verdict: Verdict<Result>): Verdict<Result> {
  return verdict.kind === "said" && verdict.statement.members !== members ? { kind: "absent" } : verdict;
}

function isEnd({ kind }: ExchangeStep): boolean {
  return kind === "agreed" || kind === "given_up";
}
