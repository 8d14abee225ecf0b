import type { ChainHead } from "@assay/chain/chain-client";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { ExpertGroup } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../current-version.ts";
import { cycleWindows } from "../cycle/cycle-windows.ts";
import type { Duty } from "../cycle/duty.ts";
import { type RoundProgress, readRoundProgress } from "../cycle/round-progress.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { type Best, bestOfEachGroup } from "./best-of-group.ts";
import { publishMerge } from "./publish-merge.ts";

/** Step under which a cycle's merge is marked as done, whatever came of it. */
export const MERGE_STEP = "merge";

export interface MergeDutyComponents {
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly inbox: Inbox;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface MergeDutyOptions {
  readonly network: Network;
  /** Versions of the model that stay on disk. */
  readonly keepVersions: number;
}

/**
 * Makes the next version of the model from the best submission of each group, once per cycle.
 *
 * Nothing is published when a value is not finite or nobody improved the model: the version then stays. A merge that
 * could no longer reach the next cycle's miners is given up.
 */
export class MergeDuty implements Duty {
  readonly name = "merge";
  readonly #components: MergeDutyComponents;
  readonly #options: MergeDutyOptions;

  constructor(components: MergeDutyComponents, options: MergeDutyOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger, inbox } = this.#components;
    const newest = await this.#newestRound();
    if (newest === null || (await ledger.steps.done(newest.cycle, MERGE_STEP))) return;
    const windows = cycleWindows(newest.cycle, this.#options.network.schedule);
    if (head.number < windows.mergeFirst) return;
    if (head.number > windows.mergeGivenUpAfter) return this.#giveUp(newest, head);
    const progress = await readRoundProgress(newest, ledger, inbox);
    const finished = progress.settled === progress.arrived.size && (await this.#hasSeed(newest));
    if (finished || head.number >= windows.mergeLast) await this.#merge(newest, progress, head, signal);
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

  async #giveUp(round: Round, head: ChainHead): Promise<void> {
    const { ledger, metrics, logger } = this.#components;
    await ledger.events.append({ kind: "merge_given_up", block: head.number, fields: { roundId: round.id } });
    await ledger.steps.mark(round.cycle, MERGE_STEP, { block: head.number });
    metrics.merges.inc({ result: "given_up" });
    logger.warn("Merge given up: the next cycle's miners have their model already", { round: round.id });
  }

  async #merge(round: Round, progress: RoundProgress, head: ChainHead, signal: AbortSignal): Promise<void> {
    const { ledger, store, metrics, logger } = this.#components;
    const best = bestOfEachGroup(round, progress.evaluations);
    const current = await currentVersion(store);
    // A crash between publishing and writing it down: the version of this round is there already.
    const published = current.version > round.baseVersion ? await store.manifest(current.version) : null;
    const manifest = published?.cycle === round.cycle ? published : await this.#publish(round, best, head, signal);
    if (manifest === null) {
      await ledger.steps.mark(round.cycle, MERGE_STEP, { block: head.number });
      return;
    }
    const groups = [...best].map(([group, { uid }]) => ({ group, uid }));
    await ledger.merges.record({ cycle: round.cycle, version: manifest.version, digest: manifest.digest, groups });
    await ledger.steps.mark(round.cycle, MERGE_STEP, { block: head.number });
    metrics.merges.inc({ result: "published" });
    metrics.agreementRate.set(1);
    logger.info("Inter-validator merging complete: 1/1 validators synced", {
      round: round.id,
      version: manifest.version,
      groups: groups.length,
      digest: manifest.digest.slice(0, 12),
    });
    await store.retain(this.#options.keepVersions, [round.baseVersion]);
  }

  async #publish(
    round: Round,
    best: ReadonlyMap<ExpertGroup, Best>,
    head: ChainHead,
    signal: AbortSignal,
  ): Promise<ModelManifest | null> {
    const { store, metrics, logger } = this.#components;
    if (best.size === 0) {
      metrics.merges.inc({ result: "nothing_to_merge" });
      logger.warn("Nothing to merge: no submission improved the model", { round: round.id });
      return null;
    }
    try {
      const plan = { round, best, block: head.number };
      return await publishMerge(plan, { store, merge: this.#options.network.merge }, signal);
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.code !== CheckpointErrorCode.MergeNonFinite) throw error;
      metrics.merges.inc({ result: "non_finite" });
      logger.error("Merge left out: a value is not finite", { round: round.id }, error);
      return null;
    }
  }
}
