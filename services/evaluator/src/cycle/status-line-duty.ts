import type { ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { readWeightStop } from "@assay/checkpoint/weight-stop";
import { phaseAt } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { Ledger } from "@assay/ledger/ledger";
import type { LogFields } from "@assay/runtime/logging/log-record";
import type { Logger } from "@assay/runtime/logging/logger";
import type { JobBoard } from "../queue/job-board.ts";
import type { Waiting } from "../standing/waiting.ts";
import type { Duty } from "./duty.ts";
import { readRoundProgress } from "./round-progress.ts";

export interface StatusLineComponents {
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly evaluations: JobBoard<"evaluations">;
  readonly waiting: Waiting;
  readonly layout: Pick<CheckpointLayout, "weightStop">;
  readonly logger: Logger;
}

export interface StatusLineOptions {
  readonly network: Network;
  /** Blocks between two lines. */
  readonly everyBlocks: number;
}

/** One line every few blocks that says where the newest round stands. */
export class StatusLineDuty implements Duty {
  readonly name = "status-line";
  readonly #components: StatusLineComponents;
  readonly #options: StatusLineOptions;
  #lastBlock = 0;

  constructor(components: StatusLineComponents, options: StatusLineOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    if (head.number - this.#lastBlock < this.#options.everyBlocks) return;
    const { ledger, waiting, layout, logger } = this.#components;
    const reasons = waiting.reasons();
    const stopped: LogFields = (await readWeightStop(layout)) === null ? {} : { weights: "stopped" };
    const waits: LogFields = { ...(reasons.length > 0 && { waiting: reasons.join(",") }), ...stopped };
    const newest = (await ledger.rounds.open()).at(-1);
    const at = phaseAt(head.number, this.#options.network.schedule);
    const place = `${at.phase} ${head.number - at.firstBlock + 1}/${at.lastBlock - at.firstBlock + 1}`;
    if (newest === undefined) logger.info(`Block ${head.number} | ${place} | no open round`, waits);
    else logger.info(`Round ${newest.round.id} | ${place}`, { ...(await this.#standing(newest.round)), ...waits });
    this.#lastBlock = head.number;
  }

  async #standing(round: Round): Promise<LogFields> {
    const { ledger, inbox, evaluations } = this.#components;
    const { submissions, evaluations: measured } = await readRoundProgress(round, ledger, inbox);
    const queued = await evaluations.depth();
    return {
      assigned: round.roster.length,
      downloaded: submissions.filter(({ kind }) => kind === "accepted").length,
      scored: measured.filter(({ kind }) => kind === "scored").length,
      rejected: [...submissions, ...measured].filter(({ kind }) => kind === "rejected").length,
      queue: queued,
      device: queued > 0 ? "busy" : "idle",
    };
  }
}
