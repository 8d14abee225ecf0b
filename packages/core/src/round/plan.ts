import { announcedGroups, joinTwoPhases, type TwoPhaseCommitment } from "../commitment/two-phase.ts";
import { type CycleSchedule, phaseWindow } from "../cycle/phase.ts";
import type { BlockNumber, ExpertGroup, Hotkey, ModelVersion } from "../units.ts";
import type { RosterCommitment, RosterEntry, Round } from "./round.ts";
import type { ChainCommitment, ChainSnapshot, Neuron } from "./snapshot.ts";

/** Everything a round is planned from; the same input gives the same round. */
export interface RoundFacts {
  /** The chain at the end of MinerCommit2 (its commitments are the hashes). */
  readonly snapshot: ChainSnapshot;
  /** All commitments as of the last block of MinerCommit1. */
  readonly signatureCommitments: readonly ChainCommitment[];
  readonly cycle: number;
  readonly schedule: CycleSchedule;
  /** Groups that hotkeys announced earlier. They win over a new announcement, which counts from the next round on. */
  readonly knownGroups: ReadonlyMap<Hotkey, ExpertGroup>;
  /** How many groups the model has; without it any group is taken. */
  readonly groupCount?: number;
  readonly baseVersion: ModelVersion;
  /** Ours: never on the roster, with or without a permit. */
  readonly validatorHotkey: Hotkey;
  /** Last block for evaluations; {@link lastEvaluationBlock} without it. */
  readonly evaluationDeadline?: BlockNumber;
}

/**
 * Freezes a cycle: who takes part, what each committed, which blocks count.
 *
 * On the roster is every neuron without validator permit whose expert group is known or announced, ordered by UID;
 * whoever is on it without a complete commitment is there to be given a zero. A hash that is not the SHA-256 of a
 * file counts as none.
 *
 * @throws RangeError if the snapshot is older than the end of MinerCommit2, when hashes may be missing (a caller's bug).
 */
export function planRound(facts: RoundFacts): Round {
  const { snapshot, cycle, schedule } = facts;
  const submission = phaseWindow(cycle, "submission", schedule);
  const hashWindow = phaseWindow(cycle, "minerCommit2", schedule);
  if (snapshot.block < hashWindow.lastBlock) {
    throw new RangeError(`Block ${snapshot.block} is before the end of MinerCommit2, ${hashWindow.lastBlock}`);
  }
  const commitments = joinTwoPhases({
    signatures: facts.signatureCommitments,
    hashes: snapshot.commitments,
    signatureWindow: phaseWindow(cycle, "minerCommit1", schedule),
    hashWindow,
  });
  return {
    id: submission.firstBlock as number,
    cycle,
    snapshotHash: snapshot.hash,
    submissionFirst: submission.firstBlock,
    submissionLast: submission.lastBlock,
    seedBlock: submission.lastBlock + 1,
    evaluationDeadline: facts.evaluationDeadline ?? lastEvaluationBlock(cycle, schedule),
    baseVersion: facts.baseVersion,
    roster: roster(facts, commitments),
  };
}

/**
 * The last block in which a cycle's submissions may be evaluated: the one before the next cycle's MinerCommit1.
 *
 * Later than the merge, which takes what is finished by then; earlier than the next round's work.
 */
function lastEvaluationBlock(cycle: number, schedule: CycleSchedule): BlockNumber {
  return phaseWindow(cycle + 1, "minerCommit1", schedule).firstBlock - 1;
}

function roster(facts: RoundFacts, commitments: ReadonlyMap<Hotkey, TwoPhaseCommitment>): readonly RosterEntry[] {
  const groups = new Map([
    ...announcedGroups(facts.signatureCommitments),
    ...announcedGroups(facts.snapshot.commitments),
    ...facts.knownGroups,
  ]);
  return facts.snapshot.neurons
    .filter((neuron) => isMiner(neuron, facts.validatorHotkey))
    .flatMap(({ uid, hotkey }) => {
      const group = groups.get(hotkey);
      if (group === undefined || group >= (facts.groupCount ?? Number.POSITIVE_INFINITY)) return [];
      return [{ uid, hotkey, group, commitment: fileCommitment(commitments.get(hotkey)) }];
    })
    .sort((a, b) => a.uid - b.uid);
}

function isMiner(neuron: Neuron, validatorHotkey: Hotkey): boolean {
  return !neuron.validatorPermit && neuron.hotkey !== validatorHotkey;
}

function fileCommitment(commitment: TwoPhaseCommitment | undefined): RosterCommitment | null {
  if (commitment === undefined || commitment.hash.length !== 64) return null;
  const { hash, signature, block } = commitment;
  return { hash, signature, block };
}
