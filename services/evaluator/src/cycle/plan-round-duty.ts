import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { announcedGroups } from "@assay/core/commitment/two-phase";
import { countUnusable } from "@assay/core/commitment/unusable";
import { phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import { groupCount, type Network } from "@assay/core/network";
import { planRound } from "@assay/core/round/plan";
import type { Round } from "@assay/core/round/round";
import type { ChainCommitment, ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockHash, ExpertGroup, Hotkey, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../current-version.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { Duty } from "./duty.ts";

export interface PlanRoundComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly metrics: Pick<EvaluatorMetrics, "unusableCommitments">;
  readonly logger: Logger;
}

export interface PlanRoundOptions {
  readonly netuid: Netuid;
  readonly network: Network;
  readonly validatorHotkey: Hotkey;
}

/**
 * Freezes the round of a cycle when its Submission phase has opened: everything is read at the hash of that phase's
 * first block, once that block is final, so a restart or another validator plans the same round.
 */
export class PlanRoundDuty implements Duty {
  readonly name = "plan-round";
  readonly #components: PlanRoundComponents;
  readonly #options: PlanRoundOptions;
  /** A cycle for which it is too late to measure anything. */
  #overCycle: number | null = null;

  constructor(components: PlanRoundComponents, options: PlanRoundOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { chain, ledger, logger } = this.#components;
    const cycle = this.#newestOpenedCycle(head);
    if (cycle < 0 || cycle === this.#overCycle) return;
    const { schedule } = this.#options.network;
    const window = phaseWindow(cycle, "submission", schedule);
    if ((await ledger.rounds.get(window.firstBlock as number)) !== null) return;
    const hash = await chain.finalizedBlockHash(window.firstBlock);
    // The second commitment replaces the first on chain, so the first is read where its phase ended.
    const signaturesHash = await chain.finalizedBlockHash(phaseWindow(cycle, "minerCommit1", schedule).lastBlock);
    if (hash === null || signaturesHash === null) return;

    const { round, snapshot } = await this.#plan(cycle, hash, signaturesHash);
    if (head.number > round.evaluationDeadline) {
      this.#overCycle = cycle;
      return;
    }
    await ledger.rounds.save(round);
    const committed = round.roster.filter((entry) => entry.commitment !== null).length;
    logger.info(`Submit phase opened at block ${round.submissionFirst}`, { round: round.id, cycle });
    logger.info(`Committed hashes this cycle: ${committed}`, { round: round.id, assigned: round.roster.length });
    this.#countUnusable(round, snapshot);
  }

  /** One line a round at most, however much strangers commit. */
  #countUnusable(round: Round, snapshot: ChainSnapshot): void {
    const { metrics, logger } = this.#components;
    const counts = Object.entries(countUnusable(snapshot, { except: this.#options.validatorHotkey }));
    for (const [reason, count] of counts) metrics.unusableCommitments.set({ reason }, count);
    const some = counts.filter(([, count]) => count > 0);
    if (some.length > 0) logger.info("Unusable commitments", { round: round.id, ...Object.fromEntries(some) });
  }

  #newestOpenedCycle(head: ChainHead): number {
    const { cycle } = phaseAt(head.number, this.#options.network.schedule);
    const opened = head.number >= phaseWindow(cycle, "submission", this.#options.network.schedule).firstBlock;
    return opened ? cycle : cycle - 1;
  }

  async #plan(cycle: number, snapshotHash: BlockHash, signaturesHash: BlockHash) {
    const { chain, ledger, store } = this.#components;
    const { netuid, network } = this.#options;
    const [snapshot, signatureCommitments, knownGroups, current] = await Promise.all([
      chain.snapshot(netuid, snapshotHash),
      chain.commitments(netuid, signaturesHash),
      ledger.groups.known(),
      currentVersion(store),
    ]);
    const round = planRound({
      snapshot,
      signatureCommitments,
      cycle,
      schedule: network.schedule,
      groupCount: groupCount(network),
      knownGroups: this.#groupsAsOf([signatureCommitments, snapshot.commitments], knownGroups),
      baseVersion: current.version,
      validatorHotkey: this.#options.validatorHotkey,
    });
    return { round, snapshot };
  }

  /**
   * The group of each hotkey as of the round's two blocks. What the ledger knows depends on when we looked at the chain,
   * so it only counts for who names no group of ours there.
   */
  #groupsAsOf(
    readings: readonly (readonly ChainCommitment[])[],
    known: ReadonlyMap<Hotkey, ExpertGroup>,
  ): ReadonlyMap<Hotkey, ExpertGroup> {
    const groups = new Map(known);
    for (const [hotkey, group] of readings.flatMap((reading) => [...announcedGroups(reading)])) {
      if (group < groupCount(this.#options.network)) groups.set(hotkey, group);
    }
    return groups;
  }
}
