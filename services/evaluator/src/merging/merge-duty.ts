import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ChainHead } from "@assay/chain/chain-client";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { ExpertGroup } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeRecord } from "@assay/ledger/merges";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../current-version.ts";
import { cycleWindows } from "../cycle/cycle-windows.ts";
import type { Duty } from "../cycle/duty.ts";
import { type RoundProgress, readRoundProgress } from "../cycle/round-progress.ts";
import { provisionalEvaluations } from "../evaluations/provisional-evaluations.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { agreementRate, NOT_AGREED_STEP } from "./agreement-rate.ts";
import { type Best, bestOfEachGroup } from "./best-of-group.ts";
import { writeLocalGradients } from "./local-gradients.ts";
import { prepareMerge } from "./prepare-merge.ts";

/** Step under which a cycle's merge is marked as done, whatever came of it. */
export const MERGE_STEP = "merge";

export interface MergeDutyComponents {
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** How a cycle's merge ended, as the metric names it. */
type MergeResult = "published" | "nothing_to_merge" | "non_finite" | "given_up";

/**
 * Makes the next version of the model from the best submissions of each group, once per cycle.
 *
 * Nothing is published when a value is not finite or nobody improved the model: the version then stays. A merge that
 * could no longer reach the next cycle's miners is given up.
 */
export class MergeDuty implements Duty {
  readonly name = "merge";
  readonly #components: MergeDutyComponents;
  readonly #network: Network;
  #started = false;

  constructor(components: MergeDutyComponents, network: Network) {
    this.#components = components;
    this.#network = network;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#components;
    const newest = await this.#newestRound();
    if (newest === null) return;
    if (!this.#started) await this.#measureAgreement(newest.cycle);
    this.#started = true;
    if (await ledger.steps.done(newest.cycle, MERGE_STEP)) return;
    const windows = cycleWindows(newest.cycle, this.#network.schedule);
    if (head.number < windows.mergeFirst) return;
    if (head.number > windows.mergeGivenUpAfter) return await this.#end(newest, head, "given_up");
    const progress = await readRoundProgress(newest, ledger, this.#components.inbox);
    const finished = progress.settled === progress.arrived.size && (await this.#hasSeed(newest));
    if (!finished && head.number < windows.mergeLast) return;
    await this.#end(newest, head, await this.#merge(newest, progress, head, signal));
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

  async #merge(round: Round, progress: RoundProgress, head: ChainHead, signal: AbortSignal): Promise<MergeResult> {
    const { ledger, store, logger } = this.#components;
    const { topSubmissions } = this.#network.merge;
    const best = bestOfEachGroup(round, await provisionalEvaluations(round.id, ledger), topSubmissions);
    const current = await currentVersion(store);
    // A crash between publishing and writing it down: the version of this round is there already.
    const published = current.version > round.baseVersion ? await store.manifest(current.version) : null;
    if (published?.cycle !== round.cycle && best.size === 0) return "nothing_to_merge";
    const merged =
      published?.cycle === round.cycle
        ? { manifest: published, uids: uidsOf(best) }
        : await this.#publish(round, best, progress, head, signal);
    if (merged === null) return "non_finite";
    const { version, digest } = merged.manifest;
    await ledger.merges.record({ cycle: round.cycle, version, digest, groups: merged.uids });
    logger.info("Inter-validator merging complete: 1/1 validators synced", {
      round: round.id,
      version,
      groups: best.size,
      digest: digest.slice(0, 12),
    });
    return "published";
  }

  async #publish(
    round: Round,
    best: ReadonlyMap<ExpertGroup, readonly Best[]>,
    { submissions }: RoundProgress,
    head: ChainHead,
    signal: AbortSignal,
  ): Promise<Merged | null> {
    const { store, logger } = this.#components;
    const { merge } = this.#network;
    const folder = join(store.layout.tmp, `merge-${round.cycle}`);
    try {
      const local = await writeLocalGradients({ round, best, submissions, folder }, { store, merge, logger }, signal);
      if (local.size === 0) return null;
      const gradients = new Map([...local].map(([group, { path }]) => [group, path]));
      const manifest = await prepareMerge({ round, gradients, block: head.number }, { store, merge }, signal);
      await store.makeCurrent(manifest.version);
      return { manifest, uids: [...local].flatMap(([group, { uids }]) => uids.map((uid) => ({ group, uid }))) };
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.code !== CheckpointErrorCode.MergeNonFinite) throw error;
      logger.error("Merge left out: a value is not finite", { round: round.id }, error);
      return null;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #end(round: Round, head: ChainHead, result: MergeResult): Promise<void> {
    const { ledger, metrics, logger } = this.#components;
    const { id: roundId, cycle } = round;
    const block = head.number;
    if (result === "given_up" || result === "non_finite") await ledger.steps.mark(cycle, NOT_AGREED_STEP, { block });
    if (result !== "published") await ledger.events.append({ kind: `merge_${result}`, block, fields: { roundId } });
    await ledger.steps.mark(cycle, MERGE_STEP, { block });
    metrics.merges.inc({ result });
    await this.#measureAgreement(cycle);
    if (result === "nothing_to_merge")
      logger.warn("Nothing to merge: no submission improved the model", { round: roundId });
    if (result === "given_up") {
      logger.warn("Merge given up: the next cycle's miners have their model already", { round: roundId });
    }
  }

  async #measureAgreement(newestCycle: number): Promise<void> {
    const { ledger, metrics } = this.#components;
    const rate = await agreementRate(ledger, newestCycle);
    if (rate !== null) metrics.agreementRate.set(rate);
  }
}

/** A published version, and whose submissions its groups took. */
interface Merged {
  readonly manifest: ModelManifest;
  readonly uids: MergeRecord["groups"];
}

function uidsOf(best: ReadonlyMap<ExpertGroup, readonly Best[]>): MergeRecord["groups"] {
  return [...best].flatMap(([group, all]) => all.map(({ uid }) => ({ group, uid })));
}
