import type { Uid } from "../units.ts";
import { planWeights } from "../weights/plan-weights.ts";
import type { Bundle } from "./bundle.ts";
import type { Findings } from "./finding.ts";
import { factsOf, type RecordedPlan, recordedPlan } from "./weight-record.ts";

/** Plans the weights again from the recorded standings and the subnet of the recorded block, to the last of 65535. */
export function checkWeights({ header, receipts, scores, weights }: Bundle, findings: Findings): void {
  const { network, round, validator } = header;
  const place = (field: string) => ({ part: "weight" as const, uid: null, field });
  // Somebody earned, so no earlier cycle can be the last in which anybody did.
  const earned = receipts.some(({ receipt }) => receipt.w > 0);
  if (earned) findings.compare("does_not_follow", place("earnedUntil"), round.cycle, weights.earnedUntil);
  const expected = recordedPlan(planWeights(factsOf(weights, scores.after, validator), network));
  const found = weights.plan;
  findings.compare("does_not_follow", place("plan.kind"), expected.kind, found.kind);
  if (expected.kind === "none" || found.kind === "none") {
    if (expected.kind === found.kind) {
      findings.compare("does_not_follow", place("plan.reason"), reasonOf(expected), reasonOf(found));
    }
    return;
  }
  findings.compare("does_not_follow", place("plan.origin"), expected.origin, found.origin);
  compareVectors(expected, found, findings);
}

type Vector = Extract<RecordedPlan, { kind: "weights" }>;

function compareVectors(expected: Vector, found: Vector, findings: Findings): void {
  const [meant, stated] = [rowsOf(expected), rowsOf(found)];
  for (const uid of [...new Set([...meant.keys(), ...stated.keys()])].sort((a, b) => a - b)) {
    const place = (field: string) => ({ part: "weight" as const, uid, field: `plan.${field}` });
    findings.compare(
      "does_not_follow",
      place("weights"),
      meant.get(uid)?.weight ?? null,
      stated.get(uid)?.weight ?? null,
    );
    findings.compare(
      "does_not_follow",
      place("hotkeys"),
      meant.get(uid)?.hotkey ?? null,
      stated.get(uid)?.hotkey ?? null,
    );
  }
  const place = { part: "weight" as const, uid: null, field: "plan.uids" };
  findings.compare("does_not_follow", place, expected.uids.join(" "), found.uids.join(" "));
}

function rowsOf({ uids, weights, hotkeys }: Vector): ReadonlyMap<Uid, { weight: number; hotkey: string }> {
  return new Map(uids.map((uid, index) => [uid, { weight: weights[index] ?? 0, hotkey: hotkeys[index] ?? "" }]));
}

function reasonOf(plan: RecordedPlan): string | null {
  return plan.kind === "none" ? plan.reason : null;
}
