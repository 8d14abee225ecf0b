import type { RosterEntry, Round } from "@assay/core/round/round";
import type { EvaluationOutcome } from "@assay/core/scoring/outcome";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import type { Player, Stage } from "./stage.ts";

/** Saves the round of a cycle of the nine-phase table: ids 31, 76, 121. */
export async function saveRound(
  { ledger }: Pick<Stage, "ledger">,
  cycle: number,
  parts: Partial<Pick<Round, "roster" | "baseVersion" | "snapshotHash">> = {},
): Promise<Round> {
  const first = 31 + 45 * cycle;
  const round: Round = {
    id: first,
    cycle,
    snapshotHash: "0x00",
    submissionFirst: first,
    submissionLast: first + 2,
    seedBlock: first + 3,
    evaluationDeadline: first + 38,
    baseVersion: 0,
    roster: [],
    ...parts,
  };
  await ledger.rounds.save(round);
  return round;
}

/** A miner that committed a file of its own in both phases, its signature at block 25 unless told otherwise. */
export function onRoster(
  { uid, hotkey }: Player,
  group: number,
  { hash = fileHash(uid), block = 25 }: { readonly hash?: string; readonly block?: number } = {},
): RosterEntry {
  return { uid, hotkey, group, commitment: { hash, signature: "s".repeat(86), block } };
}

/** The digest of a miner's file where nobody looks at the file. */
export function fileHash(uid: number): string {
  return uid.toString(16).padStart(2, "0").repeat(32);
}

/** A submission measured with these losses. */
export function scored(
  { id: roundId }: Round,
  { uid, hotkey }: Player,
  [lossBefore, lossAfter]: readonly [before: number, after: number],
  seconds = 1,
): EvaluationOutcome {
  return { kind: "scored", roundId, uid, hotkey, ...measuredLosses(lossBefore, lossAfter), seconds };
}
