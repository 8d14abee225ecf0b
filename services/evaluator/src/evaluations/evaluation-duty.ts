import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import { evaluationJobId } from "@assay/core/jobs/catalog";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import type { DownloadOutcome } from "@assay/core/scoring/outcome";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import type { RoundRecord } from "@assay/ledger/rounds";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { JobBoard } from "../queue/job-board.ts";
import { StagedEvaluations } from "./staged-evaluations.ts";
import { stagedStanding } from "./staged-standing.ts";

type Accepted = Extract<DownloadOutcome, { kind: "accepted" }>;

export interface EvaluationDutyComponents {
  readonly chain: Pick<ChainClient, "finalizedBlockHash">;
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  readonly evaluations: JobBoard<"evaluations">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/**
 * Sees to it that every accepted submission is measured, and writes down what came of it.
 *
 * Nothing is measured before submissions are closed and the block that seeds the held-out text is final. A failure is
 * recorded once the job's attempts are used up and is not tried again: no round waits for it, and it costs the miner
 * nothing.
 */
export class EvaluationDuty implements Duty {
  readonly name = "evaluations";
  readonly #components: EvaluationDutyComponents;
  /** Null where the network measures everybody on all batches. */
  readonly #staged: StagedEvaluations | null;

  constructor(components: EvaluationDutyComponents, { evaluation }: Pick<Network, "evaluation">) {
    const { sequential: rules, sequences } = evaluation;
    this.#components = components;
    this.#staged = rules === undefined ? null : new StagedEvaluations(components, { rules, sequences });
  }

  async run(head: ChainHead): Promise<void> {
    for (const record of await this.#components.ledger.rounds.open()) {
      const seed = await this.#seedOf(record);
      if (seed === null) continue;
      if (this.#staged === null) await this.#advance(record.round, seed);
      else await this.#advanceStages(this.#staged, record.round, { seed, head });
    }
  }

  async #seedOf({ round, seed }: RoundRecord): Promise<string | null> {
    if (seed !== null) return seed;
    const hash = await this.#components.chain.finalizedBlockHash(round.seedBlock);
    if (hash === null) return null;
    const derived = roundSeed(combinedSeed(new Map()), hash);
    await this.#components.ledger.rounds.setSeed(round.id, derived);
    return derived;
  }

  async #advance(round: Round, seed: string): Promise<void> {
    const { ledger } = this.#components;
    const done = new Set((await ledger.evaluations.list(round.id)).map((each) => each.uid));
    for (const submission of await ledger.submissions.list(round.id)) {
      if (submission.kind === "accepted" && !done.has(submission.uid)) await this.#settle(round, seed, submission);
    }
  }

  async #advanceStages(
    staged: StagedEvaluations,
    round: Round,
    { seed, head }: { readonly seed: string; readonly head: ChainHead },
  ): Promise<void> {
    const { ledger, inbox } = this.#components;
    const standing = await stagedStanding(round, { ledger, inbox });
    const closing = head.number >= round.evaluationDeadline;
    for (const outcome of await staged.advance({ round, seed, closing, ...standing })) await this.#record(outcome);
  }

  async #settle(round: Round, seed: string, submission: Accepted): Promise<void> {
    const { evaluations, logger } = this.#components;
    const { uid, hotkey } = submission;
    const entry = round.roster.find((each) => each.uid === uid);
    if (!entry) return;
    const state = await evaluations.settle(evaluationJobId(round.id, uid), {
      roundId: round.id,
      uid,
      hotkey,
      group: entry.group,
      baseVersion: round.baseVersion,
      submissionPath: submission.path,
      submissionSha256: submission.sha256,
      seed,
      deadlineBlock: round.evaluationDeadline,
    });
    if (state.kind === "completed") await this.#record(state.outcome);
    if (state.kind === "failed") {
      const code = EvaluatorErrorCode.EvaluationFailed;
      await this.#record({ kind: "failed", roundId: round.id, uid, hotkey, code, message: state.message });
      logger.warn("Submission could not be measured", { round: round.id, uid, why: state.message });
    }
  }

  async #record(outcome: EvaluationRecord): Promise<void> {
    const { ledger, metrics } = this.#components;
    await ledger.evaluations.record(outcome);
    metrics.evaluations.inc({ kind: outcome.kind, reason: outcome.kind === "rejected" ? outcome.reason : "" });
  }
}
