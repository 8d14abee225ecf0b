import type { Logger } from "@assay/runtime/logging/logger";
import { CommitmentRepository } from "./commitments.ts";
import { EvaluationStageRepository } from "./evaluation-stages.ts";
import { EvaluationRepository } from "./evaluations.ts";
import { EventRepository } from "./events.ts";
import { GroupRepository } from "./groups.ts";
import { IntentRepository } from "./intents.ts";
import { LedgerDatabase } from "./ledger-database.ts";
import { MergeEndRepository } from "./merge-ends.ts";
import { MergeRepository } from "./merges.ts";
import { ReceiptRepository } from "./receipts.ts";
import { RevealRepository } from "./reveals.ts";
import { RoundRepository } from "./rounds.ts";
import { ScoreRepository } from "./scores.ts";
import { SignedExtrinsicRepository } from "./signed-extrinsics.ts";
import { StepRepository } from "./steps.ts";
import { SubmissionRepository } from "./submissions.ts";
import { VerifiedWeightsRepository } from "./verified-weights.ts";

export interface LedgerOptions {
  /** The SQLite file; its folder is created. */
  readonly path: string;
}

/** The validator's memory. Only the cycle role writes it; every method of a repository is one transaction. */
export class Ledger {
  readonly rounds: RoundRepository;
  readonly submissions: SubmissionRepository;
  readonly evaluations: EvaluationRepository;
  readonly evaluationStages: EvaluationStageRepository;
  readonly scores: ScoreRepository;
  readonly intents: IntentRepository;
  readonly reveals: RevealRepository;
  readonly commitments: CommitmentRepository;
  readonly steps: StepRepository;
  readonly groups: GroupRepository;
  readonly merges: MergeRepository;
  readonly mergeEnds: MergeEndRepository;
  readonly events: EventRepository;
  readonly signedExtrinsics: SignedExtrinsicRepository;
  readonly verifiedWeights: VerifiedWeightsRepository;
  readonly receipts: ReceiptRepository;
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
    this.rounds = new RoundRepository(database);
    this.submissions = new SubmissionRepository(database);
    this.evaluations = new EvaluationRepository(database);
    this.evaluationStages = new EvaluationStageRepository(database);
    this.scores = new ScoreRepository(database);
    this.intents = new IntentRepository(database);
    this.reveals = new RevealRepository(database);
    this.commitments = new CommitmentRepository(database);
    this.steps = new StepRepository(database);
    this.groups = new GroupRepository(database);
    this.merges = new MergeRepository(database);
    this.mergeEnds = new MergeEndRepository(database);
    this.events = new EventRepository(database);
    this.signedExtrinsics = new SignedExtrinsicRepository(database);
    this.verifiedWeights = new VerifiedWeightsRepository(database);
    this.receipts = new ReceiptRepository(database);
  }

  /** Opens or creates the file and migrates it. A damaged one is refused with `LEDGER_CORRUPT` and kept. */
  static async open({ path }: LedgerOptions, { logger }: { readonly logger: Logger }): Promise<Ledger> {
    return new Ledger(await LedgerDatabase.open(path, { logger: logger.child({ module: "ledger" }) }));
  }

  /**
   * Opens a file for reading only, also beside the process that writes it. Nothing is created or migrated; a write
   * fails with `LEDGER_CANNOT_OPEN`. A file of an older release lacks what came later: `LEDGER_STATEMENT_FAILED`.
   */
  static async openReadOnly({ path }: LedgerOptions): Promise<Ledger> {
    return new Ledger(await LedgerDatabase.openReadOnly(path));
  }

  /**
   * Opens a file for the few things that are not the cycle role's to write (dry runs of an operator), also beside it.
   * Nothing is created or migrated.
   */
  static async openBeside({ path }: LedgerOptions): Promise<Ledger> {
    return new Ledger(await LedgerDatabase.openBeside(path));
  }

  /** Nothing to do: an open ledger is ready. Here so that a composition root can list it with the rest. */
  async start(_signal: AbortSignal): Promise<void> {}

  /** Waits for the running transaction, then closes the file. */
  stop(): Promise<void> {
    return this.#database.close();
  }
}
