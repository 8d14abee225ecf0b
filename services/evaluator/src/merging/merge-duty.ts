import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Voice } from "@assay/core/merging/exchange/voice";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { cycleWindows } from "../cycle/cycle-windows.ts";
import type { Duty } from "../cycle/duty.ts";
import { type RoundProgress, readRoundProgress } from "../cycle/round-progress.ts";
import { provisionalEvaluations } from "../evaluations/provisional-evaluations.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { bestOfEachGroup } from "./best-of-group.ts";
import { exchangeWindow } from "./exchange-window.ts";
import { mergeAlone } from "./merge-alone.ts";
import { type Company, MergeCompany } from "./merge-company.ts";
import { mergeTogether, prepareOffer, type TogetherPlan, type TogetherRules } from "./merge-together.ts";
import { type EndedMerge, MERGE_STEP, measureAgreement, noteMergeEnd } from "./note-merge-end.ts";

export interface MergeDutyComponents {
  readonly chain: Pick<ChainClient, "snapshot" | "blockHash" | "blockTime">;
  readonly voice: Voice;
  readonly transport: MergeTransport;
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface MergeDutyOptions {
  readonly netuid: Netuid;
  readonly network: Network;
  /** How long a merge with others may take; the same for all of them. */
  readonly timeoutMillis: number;
}

type Together = Extract<Company, { readonly kind: "together" }>;

/** Averages of each other member that are made again. */
const AUDITS_PER_REDUCER = 1;
/** Exchanges of so many cycles stay on disk, for those who missed the newest. */
const EXCHANGES_KEPT = 2;

/**
 * Makes the next version of the model from the best submissions of each group, once per cycle: with the other
 * validators that may merge, or alone where there is none.
 *
 * Nothing is published when a value is not finite, nobody improved the model, or the others cannot agree: the version
 * then stays. A merge that could no longer reach the next cycle's miners is given up.
 */
export class MergeDuty implements Duty {
  readonly name = "merge";
  readonly #components: MergeDutyComponents;
  readonly #options: MergeDutyOptions;
  readonly #company: MergeCompany;
  #started = false;

  constructor(components: MergeDutyComponents, options: MergeDutyOptions) {
    this.#components = components;
    this.#options = options;
    this.#company = new MergeCompany(components, { ...options, self: components.voice.hotkey });
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger, inbox } = this.#components;
    const newest = await this.#newestRound();
    if (newest === null) return;
    if (!this.#started) await measureAgreement(this.#components, newest.cycle);
    this.#started = true;
    if (await ledger.steps.done(newest.cycle, MERGE_STEP)) return;
    const { mergeFirst, mergeLast, mergeGivenUpAfter } = cycleWindows(newest.cycle, this.#options.network.schedule);
    if (head.number < mergeFirst) return;
    const company = await this.#company.of(newest);
    if (head.number > mergeGivenUpAfter) return await this.#leave("given_up", newest, head, company);
    if (company.kind === "not_expected") return await this.#leave("not_expected", newest, head, company);
    const progress = await readRoundProgress(newest, ledger, inbox);
    const isFinished = progress.settled === progress.arrived.size && (await this.#hasSeed(newest));
    const window = exchangeWindow(newest.cycle, this.#options.network, this.#options.timeoutMillis);
    const takenAt = company.kind === "together" ? window.offerLast : mergeLast;
    if (!isFinished && head.number < takenAt) return;
    if (company.kind === "alone") return await this.#mergeAlone(newest, progress, head, signal);
    await this.#mergeTogether(newest, progress, company, { head, first: window.first }, signal);
  }

  async #newestRound(): Promise<Round | null> {
    const { ledger } = this.#components;
    const open = await ledger.rounds.open();
    return (open.at(-1) ?? (await ledger.rounds.latestClosed()))?.round ?? null;
  }

  async #hasSeed(round: Round): Promise<boolean> {
    const record = await this.#components.ledger.rounds.get(round.id);
    return record !== null && record.seed !== null;
  }

  async #mergeAlone(round: Round, progress: RoundProgress, head: ChainHead, signal: AbortSignal): Promise<void> {
    const { merge } = this.#options.network;
    const plan = { ...(await this.#plan(round, progress)), block: head.number };
    const ended = await mergeAlone(plan, { ...this.#components, merge }, signal);
    const isPublished = ended.result === "published";
    const members = isPublished ? [this.#self] : [];
    await this.#note({
      round,
      block: head.number,
      end: { result: ended.result, expected: [this.#self], members, synced: members, leftOut: [], agreed: null },
      seconds: null,
      published: isPublished ? { ...ended, groups: new Set(ended.taken.map(({ group }) => group)).size } : null,
    });
  }

  /** Makes what we offer as soon as it can be made, and merges once the merge's time has begun. */
  async #mergeTogether(
    round: Round,
    progress: RoundProgress,
    company: Together,
    { head, first }: { readonly head: ChainHead; readonly first: BlockNumber },
    signal: AbortSignal,
  ): Promise<void> {
    const plan = await this.#plan(round, progress);
    if (head.number < first) return await prepareOffer(plan, this.#components, this.#rules, signal);
    const startedAt = await this.#startedAt(first, head);
    if (startedAt === null) return;
    const terms: TogetherPlan = { ...plan, ...this.#peersOf(company), block: first, startedAt };
    const { result, manifest, own, members, synced, leftOut, agreed, groups } = await mergeTogether(
      terms,
      this.#components,
      this.#rules,
      signal,
    );
    const taken = [...own].flatMap(([group, { uids }]) => uids.map((uid) => ({ group, uid })));
    await this.#note({
      round,
      block: head.number,
      end: { result, expected: expectedIn(company, this.#self), members, synced, leftOut, agreed },
      seconds: (Date.now() - startedAt) / 1000,
      published: manifest && { manifest, taken, groups },
    });
    await this.#components.transport.forgetBefore(round.cycle + 1 - EXCHANGES_KEPT);
  }

  /** By our own clock when the merge's first block was made: only what the chain says lies between, no local clock. */
  async #startedAt(first: BlockNumber, head: ChainHead): Promise<number | null> {
    const { chain } = this.#components;
    const hash = await chain.blockHash(first);
    if (hash === null) return null;
    const [begun, newest] = await Promise.all([chain.blockTime(hash), chain.blockTime(head.hash)]);
    return Date.now() - Math.max(0, newest - begun);
  }

  async #plan(
    round: Round,
    { submissions }: RoundProgress,
  ): Promise<Pick<TogetherPlan, "round" | "best" | "submissions">> {
    const evaluations = await provisionalEvaluations(round.id, this.#components.ledger);
    return {
      round,
      submissions,
      best: bestOfEachGroup(round, evaluations, this.#options.network.merge.topSubmissions),
    };
  }

  #peersOf({ others, own }: Together): Pick<TogetherPlan, "peers" | "shares"> {
    if (this.#options.network.merge.stakeWeighted !== true) return { peers: others };
    const all = [own, ...others.values()];
    return {
      peers: others,
      shares: new Map(all.map(({ hotkey, stakeRao }) => [hotkey, Math.max(1, Number(stakeRao))])),
    };
  }

  get #self(): string {
    return this.#components.voice.hotkey;
  }

  get #rules(): TogetherRules {
    const { netuid, network, timeoutMillis } = this.#options;
    return { netuid, merge: network.merge, timeoutMillis, auditsPerReducer: AUDITS_PER_REDUCER };
  }

  async #leave(result: "given_up" | "not_expected", round: Round, head: ChainHead, company: Company): Promise<void> {
    const end = {
      result,
      expected: expectedIn(company, this.#self),
      members: [],
      synced: [],
      leftOut: [],
      agreed: null,
    };
    await this.#note({ round, block: head.number, end, seconds: null, published: null });
  }

  async #note(merge: EndedMerge): Promise<void> {
    await noteMergeEnd(merge, this.#components);
  }
}

function expectedIn(company: Company, self: string): readonly string[] {
  if (company.kind === "alone") return [self];
  return company.kind === "not_expected" ? company.others : [self, ...company.others.keys()].sort();
}
