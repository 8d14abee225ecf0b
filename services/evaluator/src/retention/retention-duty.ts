import type { ChainHead } from "@assay/chain/chain-client";
import { expireRounds } from "@assay/checkpoint/numbered-folders";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { basesInUse } from "../cycle/bases-in-use.ts";
import type { Duty } from "../cycle/duty.ts";
import { unfinishedDownloads } from "../downloads/fetch-submission.ts";
import { MERGE_STEP } from "../merging/note-merge-end.ts";

const RETENTION_STEP = "retention";

export interface RetentionDutyComponents {
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly logger: Logger;
}

export interface RetentionDutyOptions {
  /** Versions of the model that stay on disk, the current one included. */
  readonly keepVersions: number;
}

/**
 * Frees the disk once per cycle, when its round is closed and merged: old versions, older rounds' submissions, and
 * downloads that never ended. The newest closed round stays for whoever wants to look again, and what an open one needs.
 */
export class RetentionDuty implements Duty {
  readonly name = "retention";
  readonly #components: RetentionDutyComponents;
  readonly #options: RetentionDutyOptions;

  constructor(components: RetentionDutyComponents, options: RetentionDutyOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { ledger, store, logger } = this.#components;
    const closed = (await ledger.rounds.latestClosed())?.round;
    if (closed === undefined || !(await ledger.steps.done(closed.cycle, MERGE_STEP))) return;
    if (await ledger.steps.done(closed.cycle, RETENTION_STEP)) return;
    const versions = await store.retain(this.#options.keepVersions, await basesInUse(ledger));
    // Rounds close in their order, so every open one is newer.
    const rounds = await store.expireSubmissions(closed.id);
    await expireRounds(unfinishedDownloads(store.layout), closed.id);
    await ledger.steps.mark(closed.cycle, RETENTION_STEP, { block: head.number });
    logger.info("Disk freed", { round: closed.id, versions: versions.length, submissions: rounds });
  }
}
