import type { RosterEntry, Round } from "@assay/core/round/round";
import type { EvaluationRequest, Measurement } from "@assay/evaluation/evaluator";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { FakeEvaluator } from "@assay/testing/fake/fake-evaluator";
import { expect } from "vitest";
import { EvaluationDuty } from "../src/evaluations/evaluation-duty.ts";
import { createEvaluationProcessor } from "../src/evaluations/evaluation-processor.ts";
import { eventually, openQueues, type Queues } from "./queues.ts";
import { onRoster, saveRound } from "./rounds.ts";
import { openStage, type Stage, type StageOptions } from "./stage.ts";

export const measured: Measurement = { kind: "measured", ...measuredLosses(4.321, 3.512) };

/** A stage with round 31, the duty that sees to its evaluations, and a worker that measures as it is told. */
export interface Lab extends Stage {
  readonly queues: Queues;
  readonly evaluator: FakeEvaluator;
  readonly round: Round;
  /** What the worker believes to be the chain's block. */
  workerBlock: number;
  run(): Promise<void>;
  /** Closes the ledger and begins with a new duty. */
  restart(): Promise<void>;
  startWorker(concurrency?: number): Promise<void>;
  /** Writes down that a miner's submission was fetched and inspected. */
  accept(uid: number): Promise<void>;
}

export interface LabOptions {
  readonly miners?: number;
  /** Miners 1 and 2 in groups 0 and 1 unless given. */
  readonly roster?: (stage: Stage) => readonly RosterEntry[];
  /** Whose submissions are accepted at the start; all unless given. */
  readonly accepted?: readonly number[];
  readonly evaluation?: StageOptions["evaluation"];
}

export async function openLab(
  measure: (request: EvaluationRequest) => Promise<Measurement> = async () => measured,
  options: LabOptions = {},
): Promise<Lab> {
  const stage = await openStage({ miners: options.miners ?? 3, evaluation: options.evaluation });
  const queues = await openQueues();
  const evaluator = new FakeEvaluator(measure);
  const roster = options.roster?.(stage) ?? [onRoster(stage.miner(1), 0), onRoster(stage.miner(2), 1)];
  const round = await saveRound(stage, 0, { roster, baseVersion: 3 });
  let duty = createDuty(stage, queues);
  const lab: Lab = {
    ...stage,
    queues,
    evaluator,
    round,
    workerBlock: 36,
    run: () => duty.run(stage.client.head()),
    restart: async () => {
      lab.ledger = await stage.reopenLedger();
      duty = createDuty(stage, queues);
    },
    startWorker: async (concurrency = 2) => {
      const { layout, metrics, logger } = stage;
      const head = { block: async () => lab.workerBlock };
      const processor = createEvaluationProcessor({ head, evaluator, layout, metrics, logger });
      await queues.work("evaluations", processor, concurrency);
    },
    accept: (uid) => accept(lab, uid),
  };
  for (const uid of options.accepted ?? roster.map((entry) => entry.uid)) await lab.accept(uid);
  return lab;
}

/** Where a miner's accepted submission lies. */
export function submissionPath(uid: number): string {
  return `submissions/31/${uid}.safetensors`;
}

/** Runs the duty until as many submissions as are on the roster have an outcome. */
export async function settle(lab: Lab): Promise<void> {
  await eventually(async () => {
    await lab.run();
    expect(await lab.ledger.evaluations.list(31)).toHaveLength(lab.round.roster.length);
  });
}

function createDuty({ client, ledger, inbox, network, metrics, logger }: Stage, queues: Queues): EvaluationDuty {
  const evaluations = queues.board("evaluations");
  return new EvaluationDuty({ chain: client, ledger, inbox, evaluations, metrics, logger }, network);
}

async function accept({ ledger, round }: Lab, uid: number): Promise<void> {
  const entry = round.roster.find((each) => each.uid === uid);
  if (entry === undefined || entry.commitment === null) throw new RangeError(`Miner ${uid} committed nothing`);
  const facts = { path: submissionPath(uid), sha256: entry.commitment.hash, bytes: 9 };
  await ledger.submissions.record({ kind: "accepted", roundId: round.id, uid, hotkey: entry.hotkey, ...facts });
}
