import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { expireRounds } from "@assay/checkpoint/numbered-folders";
import { phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import type { MajorityVersion } from "@assay/core/merging/majority-version";
import type { Network } from "@assay/core/network";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeEndRecord } from "@assay/ledger/merge-ends";
import { currentVersion } from "../../current-version.ts";
import { basesInUse } from "../../cycle/bases-in-use.ts";
import { cycleWindows } from "../../cycle/cycle-windows.ts";
import type { Duty } from "../../cycle/duty.ts";
import type { EvaluatorMetrics } from "../../metrics.ts";
import { MERGE_STEP } from "../note-merge-end.ts";
import { CatchUp, type CatchUpEnd, type CatchUpObstacle, type CatchUpTools } from "./catch-up.ts";
import { type CommittedMajority, findMajority } from "./find-majority.ts";
import { offerMomentum } from "./offer-momentum.ts";

export interface CatchUpComponents extends CatchUpTools {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly metrics: Pick<EvaluatorMetrics, "catchUps">;
}

export interface CatchUpOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/** Step of a cycle whose committed version is ours, could not be had in time, or was named by no majority. */
const CATCH_UP_STEP = "catch-up";
/** Step of a cycle whose momentum others can fetch. */
const OFFERED_STEP = "offer-momentum";

/** What is under way for a cycle. */
interface Begun {
  /** Whose last phase is over. */
  readonly cycle: number;
  readonly majority: MajorityVersion;
  readonly catchUp: CatchUp;
  readonly startedAt: number;
  /** The cycle whose merge made the version. */
  readonly mergedIn: number;
  obstacle: CatchUpObstacle | null;
}

/**
 * Fetches the version that a stake majority committed, with its momentum, when it is not ours: after a merge that we
 * missed, were left out of, or ended another way than the others.
 *
 * From when ValidatorCommit2 is over and final until the next cycle's merge begins, at each block anew. After that the
 * next cycle's commitments decide. Also lets others fetch the momentum of what we published.
 */
export class CatchUpDuty implements Duty {
  readonly name = "catch-up";
  readonly #components: CatchUpComponents;
  readonly #options: CatchUpOptions;
  #begun: Begun | null = null;

  constructor(components: CatchUpComponents, options: CatchUpOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#components;
    const { schedule } = this.#options.network;
    const { cycle: running } = phaseAt(head.number, schedule);
    await this.#offer(running, head, signal);
    const cycle = running - 1;
    if (schedule.validatorCommit2 === 0 || cycle < 0 || (await ledger.steps.done(cycle, CATCH_UP_STEP))) return;
    const { mergeFirst } = cycleWindows(running, schedule);
    if (head.number >= mergeFirst) return await this.#giveUp(cycle, head);
    if (await this.#isMerging(cycle, head)) return;
    const begun = this.#begun?.cycle === cycle ? this.#begun : await this.#begin(cycle, head, signal);
    if (begun !== null) await this.#try(begun, head, mergeFirst, signal);
  }

  /** Whether our own merge of the cycle may still publish something. */
  async #isMerging(cycle: number, head: ChainHead): Promise<boolean> {
    const { ledger } = this.#components;
    const { schedule } = this.#options.network;
    if (head.number > cycleWindows(cycle, schedule).mergeGivenUpAfter) return false;
    const round = await ledger.rounds.get(phaseWindow(cycle, "submission", schedule).firstBlock as number);
    return round !== null && !(await ledger.steps.done(cycle, MERGE_STEP));
  }

  async #begin(cycle: number, head: ChainHead, signal: AbortSignal): Promise<Begun | null> {
    const { chain, ledger, store, logger } = this.#components;
    const found = await findMajority(cycle, chain, this.#options);
    if (found === undefined) return null;
    if (found === null) return await this.#end(cycle, head, null);
    const { majority, cycle: mergedIn } = found;
    if (majority === null) {
      logger.warn("The validators committed several versions, and none has a stake majority", { cycle });
      return await this.#end(cycle, head, "no_majority");
    }
    const catchUp = new CatchUp(this.#components, this.#termsOf(found, majority));
    const end = await ledger.mergeEnds.get(mergedIn);
    const isNeeded = await catchUp.isNeeded(end?.result === "published", signal);
    // What an older one left, and of this one what a kill left behind its end.
    await expireRounds(store.layout.allCatchUps, isNeeded ? mergedIn : mergedIn + 1);
    if (!isNeeded) return await this.#end(cycle, head, null);
    const { version, digest } = majority;
    logger.info("Catching up with what the other validators merged", {
      cycle,
      version,
      digest: digest.slice(0, 12),
      from: (await currentVersion(store)).version,
      committed_by: majority.holders.size,
    });
    this.#begun = { cycle, majority, catchUp, mergedIn, startedAt: performance.now(), obstacle: null };
    return this.#begun;
  }

  #termsOf({ cycle, peers }: CommittedMajority, majority: MajorityVersion) {
    const { netuid } = this.#options;
    const all = fromOurPlace(peers, this.#components.voice.hotkey);
    const holders = all.filter(({ hotkey }) => majority.holders.has(hotkey));
    const others = all.filter(({ hotkey }) => !majority.holders.has(hotkey));
    return { netuid, cycle, majority, holders, peers: [...holders, ...others], isFree: () => this.#isFree(majority) };
  }

  /** Whether no round is measured against a version that would go, or is about to be planned on one. */
  async #isFree({ version }: MajorityVersion): Promise<boolean> {
    const { chain, ledger } = this.#components;
    const { schedule } = this.#options.network;
    const head = chain.head().number;
    const { firstBlock } = phaseWindow(phaseAt(head, schedule).cycle, "submission", schedule);
    if (head >= firstBlock && (await ledger.rounds.get(firstBlock as number)) === null) return false;
    return (await basesInUse(ledger)).every((base) => base < version);
  }

  async #try(begun: Begun, head: ChainHead, mergeFirst: BlockNumber, signal: AbortSignal): Promise<void> {
    const { chain, logger } = this.#components;
    const patienceMillis = (mergeFirst - head.number) * this.#options.network.blockMillis;
    const ending = new AbortController();
    const unsubscribe = chain.onHead(({ number }) => {
      if (number >= mergeFirst) ending.abort(new Error("The next merge begins"));
    });
    try {
      const end = await begun.catchUp.try(patienceMillis, AbortSignal.any([signal, ending.signal]));
      if (end.kind === "caught_up") return await this.#caughtUp(begun, end, head, signal);
      if (end.obstacle === begun.obstacle) return;
      begun.obstacle = end.obstacle;
      if (end.obstacle === "other_model") return await this.#giveUp(begun.cycle, head);
      logger.warn("Not caught up yet; it is tried again at each block", { cycle: begun.cycle, why: end.obstacle });
    } catch (error) {
      if (!ending.signal.aborted || signal.aborted) throw error;
    } finally {
      unsubscribe();
    }
  }

  async #caughtUp(
    { cycle, mergedIn, startedAt }: Begun,
    { current: { version, digest }, fetchedBytes }: Extract<CatchUpEnd, { readonly kind: "caught_up" }>,
    head: ChainHead,
    signal: AbortSignal,
  ): Promise<void> {
    const { ledger, store, transport, logger } = this.#components;
    const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1));
    logger.info("Caught up", { cycle, version, digest: digest.slice(0, 12), fetched_bytes: fetchedBytes, seconds });
    await ledger.events.append({ kind: "caught_up", block: head.number, fields: { cycle, version, digest } });
    await this.#end(cycle, head, "caught_up");
    await offerMomentum(mergedIn, version, { reader: store, transport }, signal);
  }

  async #giveUp(cycle: number, head: ChainHead): Promise<void> {
    const begun = this.#begun;
    if (begun?.cycle !== cycle) return;
    const why = begun.obstacle ?? "version_not_served";
    this.#components.logger.warn("Not caught up with what the other validators merged", { cycle, why });
    await this.#end(cycle, head, why);
  }

  async #end(
    cycle: number,
    head: ChainHead,
    result: "caught_up" | "no_majority" | CatchUpObstacle | null,
  ): Promise<null> {
    const { ledger, metrics } = this.#components;
    await ledger.steps.mark(cycle, CATCH_UP_STEP, { block: head.number });
    if (result !== null) metrics.catchUps.inc({ result });
    this.#begun = null;
    return null;
  }

  /** The momentum of what we merged with others, for those who could not. */
  async #offer(running: number, head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#components;
    for (const end of await ledger.mergeEnds.list(Math.max(0, running - 1), running)) {
      if (end.result !== "published" || end.agreed === null || (await ledger.steps.done(end.cycle, OFFERED_STEP)))
        continue;
      await this.#offerMerged(end, signal);
      await ledger.steps.mark(end.cycle, OFFERED_STEP, { block: head.number });
    }
  }

  async #offerMerged({ cycle, agreed }: MergeEndRecord, signal: AbortSignal): Promise<void> {
    const { ledger, store, transport, logger } = this.#components;
    const version = (await ledger.merges.get(cycle))?.version;
    if (version === undefined || !(await store.versions()).includes(version)) return;
    const offered = await offerMomentum(cycle, version, { reader: store, transport }, signal);
    if (offered === agreed?.momentum) return;
    logger.error("The momentum on disk is not what the validators agreed on", { cycle, version }, momentumChanged());
  }
}

/** The same peers, beginning behind our own place among them: not everybody asks the same one first. */
function fromOurPlace<T extends { readonly hotkey: string }>(peers: readonly T[], self: string): readonly T[] {
  const behind = peers.findIndex(({ hotkey }) => hotkey > self);
  return behind === -1 ? peers : [...peers.slice(behind), ...peers.slice(0, behind)];
}

function momentumChanged(): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.HashMismatch, "Momentum is not what was agreed");
}
