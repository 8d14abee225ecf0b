import type { Json } from "../hash/canonical-json.ts";
import { canonicalJson } from "../hash/canonical-json.ts";
import type { RosterEntry } from "../round/round.ts";
import type { RoundFindings, RoundScore } from "../scoring/round-scores.ts";
import type { Hotkey, Uid } from "../units.ts";
import {
  type Bundle,
  type BundleHeader,
  type BundleScores,
  bundleDigests,
  bundleMessage,
  bundleRoot,
} from "./bundle.ts";
import {
  type Receipt,
  type ReceivedEvaluation,
  type ReceivedSubmission,
  receiptDigest,
  receiptMessage,
} from "./receipt.ts";
import type { WeightRecord } from "./weight-record.ts";

/** What a bundle is made of. */
export interface BundleFacts {
  readonly header: BundleHeader;
  readonly findings: Pick<RoundFindings, "submissions" | "evaluations" | "arrived">;
  /** What each miner got when the round was closed. */
  readonly rows: readonly RoundScore[];
  readonly scores: BundleScores;
  readonly weights: WeightRecord;
}

/** Signs with the validator's hotkey: URL-safe Base64 of 64 bytes. */
export type SignText = (bytes: Uint8Array) => string;

/**
 * The bundle of these facts. The same facts give the same root; signatures may differ.
 *
 * @throws RangeError for a number that is not finite (a caller's bug: no such loss is scored).
 */
export function composeBundle(facts: BundleFacts, sign: SignText): Bundle {
  const { header, scores, weights } = plain({ header: facts.header, scores: facts.scores, weights: facts.weights });
  const receipts = receiptsOf(facts).map((receipt) => {
    const digest = receiptDigest(receipt);
    return { receipt, digest, signature: sign(receiptMessage(digest)) };
  });
  const digests = bundleDigests({ header, scores, weights });
  const root = bundleRoot(digests, receipts);
  return { header, receipts, scores, weights, digests, root, signature: sign(bundleMessage(root)) };
}

function receiptsOf({ header, findings, rows }: BundleFacts): readonly Receipt[] {
  const submissions = byUid(findings.submissions);
  const evaluations = byUid(findings.evaluations);
  const scores = byUid(rows);
  const { round, netuid, validator, baseDigest, seed } = header;
  const shared = {
    schema: 1 as const,
    netuid,
    cycle: round.cycle,
    round: round.id,
    validator,
    seed: seed?.value ?? null,
    base: { version: round.baseVersion, digest: baseDigest },
  };
  return round.roster.map((entry: RosterEntry) =>
    plain({
      ...shared,
      ...entry,
      arrived: findings.arrived.has(entry.uid),
      submission: received(submissions.get(entry.uid)),
      evaluation: evaluated(evaluations.get(entry.uid)),
      w: scores.get(entry.uid)?.w ?? 0,
      reason: scores.get(entry.uid)?.reason ?? null,
    }),
  );
}

function received(record: RoundFindings["submissions"][number] | undefined): ReceivedSubmission {
  if (record?.kind === "accepted") return { kind: "accepted", sha256: record.sha256, bytes: record.bytes };
  if (record?.kind === "rejected") return { kind: "rejected", reason: record.reason };
  return { kind: record?.kind ?? "none" };
}

function evaluated(record: RoundFindings["evaluations"][number] | undefined): ReceivedEvaluation {
  if (record === undefined) return { kind: "none" };
  if (record.kind === "rejected") return { kind: "rejected", reason: record.reason };
  if (record.kind === "failed") return { kind: "failed", code: record.code };
  if (record.kind === "expired") return { kind: "expired" };
  const { roundId: _round, uid: _uid, hotkey: _hotkey, ...measured } = record;
  return measured;
}

function byUid<Row extends { readonly uid: Uid; readonly hotkey: Hotkey }>(
  rows: readonly Row[],
): ReadonlyMap<Uid, Row> {
  return new Map(rows.map((row) => [row.uid, row]));
}

/** A value as its readers will have it: what is undefined is absent, and nothing is shared with the caller. */
function plain<Value extends object>(value: Value): Value {
  return JSON.parse(canonicalJson(withoutUndefined(value) as Json)) as Value;
}

function withoutUndefined(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutUndefined);
  const kept = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutUndefined(each)]));
}
