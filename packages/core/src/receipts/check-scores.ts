import { isAppError } from "../app-error.ts";
import type { OutcomeKey } from "../scoring/outcome.ts";
import { scoringPolicy } from "../scoring/policies/policies.ts";
import { type RoundFindings, type RoundScores, roundScores, type ScoreState } from "../scoring/round-scores.ts";
import type { Uid } from "../units.ts";
import type { Bundle } from "./bundle.ts";
import type { Findings } from "./finding.ts";
import type { Receipt } from "./receipt.ts";

/** Recomputes every `w` and every standing from the recorded losses, and compares them to the last bit. */
export function checkScores(bundle: Bundle, findings: Findings): void {
  const { receipts, scores } = bundle;
  const expected = closedAgain(bundle, findings);
  if (expected === null) return;
  const rows = new Map(expected.rows.map((row) => [row.uid, row]));
  for (const { receipt } of receipts) {
    const row = rows.get(receipt.uid);
    if (row === undefined) continue;
    const place = (field: string) => ({ part: "receipt" as const, uid: receipt.uid, field });
    findings.compare("does_not_follow", place("w"), row.w, receipt.w);
    findings.compare("does_not_follow", place("reason"), row.reason, receipt.reason);
  }
  checkStates(bookAfter(scores.before, expected.states), scores.after, findings);
}

/** The standings after a round, by uid: those that it names, and all others as they were. */
export function bookAfter(before: readonly ScoreState[], states: readonly ScoreState[]): readonly ScoreState[] {
  const book = new Map([...before, ...states].map((state) => [state.uid, state]));
  return [...book.values()].sort((a, b) => a.uid - b.uid);
}

function closedAgain(bundle: Bundle, findings: Findings): RoundScores | null {
  const { header, scores } = bundle;
  const book = new Map(scores.before.map((state) => [state.uid, state]));
  const policy = scoringPolicy(header.network.evaluation.policy);
  try {
    return roundScores(roundFindings(bundle), book, { policy, weightOfOld: header.weightOfOld });
  } catch (error) {
    if (!isAppError(error) && !(error instanceof RangeError)) throw error;
    findings.add(
      "does_not_follow",
      { part: "bundle", uid: null, field: "scores" },
      "losses that can be scored",
      error.message,
    );
    return null;
  }
}

/** What was known of the round when it was closed, from the receipts. */
export function roundFindings({ header, receipts }: Bundle): RoundFindings {
  const { round, doorWasOpen } = header;
  const all = receipts.map(({ receipt }) => receipt);
  return {
    round,
    doorWasOpen,
    arrived: new Set(all.filter(({ arrived }) => arrived).map(({ uid }) => uid)),
    submissions: all.flatMap((receipt) => submissionOf(receipt, keyOf(receipt))),
    evaluations: all.flatMap((receipt) => evaluationOf(receipt, keyOf(receipt))),
  };
}

function keyOf({ round, uid, hotkey }: Receipt): OutcomeKey {
  return { roundId: round, uid, hotkey };
}

function submissionOf({ submission }: Receipt, key: OutcomeKey): RoundFindings["submissions"] {
  if (submission.kind === "accepted") return [{ ...key, ...submission, path: "" }];
  if (submission.kind === "rejected") return [{ ...key, ...submission, detail: "" }];
  return [{ ...key, kind: submission.kind }];
}

function evaluationOf({ evaluation }: Receipt, key: OutcomeKey): RoundFindings["evaluations"] {
  if (evaluation.kind === "none") return [];
  if (evaluation.kind === "rejected") return [{ ...key, ...evaluation, detail: "" }];
  if (evaluation.kind === "failed") return [{ ...key, ...evaluation, message: "" }];
  return [{ ...key, ...evaluation }];
}

function checkStates(expected: readonly ScoreState[], found: readonly ScoreState[], findings: Findings): void {
  const expectedByUid = new Map(expected.map((state) => [state.uid, state]));
  const foundByUid = new Map(found.map((state) => [state.uid, state]));
  const place = (uid: Uid, field: string) => ({ part: "state" as const, uid, field: `after.${field}` });
  for (const uid of [...new Set([...expectedByUid.keys(), ...foundByUid.keys()])].sort((a, b) => a - b)) {
    const meant = expectedByUid.get(uid);
    const state = foundByUid.get(uid);
    if (meant === undefined || state === undefined) {
      findings.add(meant === undefined ? "unexpected" : "missing", place(uid, "state"));
      continue;
    }
    for (const field of ["hotkey", "ema", "points", "lastRound"] as const) {
      findings.compare("does_not_follow", place(uid, field), meant[field], state[field]);
    }
  }
  if (found.some(({ uid }, index) => index > 0 && uid <= (found[index - 1]?.uid ?? -1))) {
    findings.add("inconsistent", { part: "state", uid: null, field: "after" }, "one state per uid, by uid");
  }
}
