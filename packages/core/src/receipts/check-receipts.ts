import { decodeBase64Url } from "../messages/base64url.ts";
import { committedHashMessage } from "../messages/block-message.ts";
import { originalityOf } from "../round/duplicates.ts";
import { combinedSeed, roundSeed } from "../round/seed.ts";
import { chooseBatches } from "../sampling/selection.ts";
import type { Hotkey } from "../units.ts";
import type { Bundle } from "./bundle.ts";
import type { Findings } from "./finding.ts";
import { contentDigest, type MeasuredEvaluation, type Receipt } from "./receipt.ts";

/** Whether the signature over exactly these bytes is the hotkey's. */
export type VerifySignature = (bytes: Uint8Array, signature: Uint8Array, hotkey: Hotkey) => boolean;

/** Whether a signature in URL-safe Base64 is the hotkey's. */
export function isSignedBy(verify: VerifySignature, bytes: Uint8Array, signature: string, hotkey: Hotkey): boolean {
  const decoded = decodeBase64Url(signature);
  return decoded !== null && verify(bytes, decoded, hotkey);
}

/**
 * What each receipt says against the round's plan and within itself: the same round, the miner's own commitment, the
 * seed from its block, the batches from the seed, mean losses from the batches, first files before later ones.
 */
export function checkReceipts(bundle: Bundle, verify: VerifySignature, findings: Findings): void {
  checkMembers(bundle, findings);
  checkSeed(bundle, findings);
  const chosen = chosenBySeed(bundle);
  for (const { receipt } of bundle.receipts) {
    checkAgainstPlan(receipt, bundle, findings);
    checkSubmission(receipt, bundle, verify, findings);
    if (receipt.evaluation.kind === "scored") checkMeasured(receipt, receipt.evaluation, chosen, findings);
  }
}

function checkMembers({ header, receipts }: Bundle, findings: Findings): void {
  const members = header.round.roster.map(({ uid }) => uid);
  const uids = receipts.map(({ receipt }) => receipt.uid);
  for (const uid of members) {
    if (!uids.includes(uid)) findings.add("missing", { part: "receipt", uid, field: "receipt" });
  }
  for (const [index, uid] of uids.entries()) {
    const isSecond = uids.indexOf(uid) < index;
    if (isSecond || !members.includes(uid)) findings.add("unexpected", { part: "receipt", uid, field: "receipt" });
  }
  const place = { part: "bundle" as const, uid: null, field: "receipts" };
  findings.compare("inconsistent", place, members.join(" "), uids.join(" "));
}

function checkSeed({ header }: Bundle, findings: Findings): void {
  if (header.seed === null) return;
  const expected = roundSeed(combinedSeed(new Map()), header.seed.blockHash);
  findings.compare(
    "does_not_follow",
    { part: "bundle", uid: null, field: "header.seed.value" },
    expected,
    header.seed.value,
  );
}

function checkAgainstPlan(receipt: Receipt, { header }: Bundle, findings: Findings): void {
  const { round, netuid, validator, baseDigest, seed } = header;
  const entry = round.roster.find(({ uid }) => uid === receipt.uid);
  const place = (field: string) => ({ part: "receipt" as const, uid: receipt.uid, field });
  const same = (field: string, expected: string | number | null, found: string | number | null) =>
    findings.compare("inconsistent", place(field), expected, found);
  same("netuid", netuid, receipt.netuid);
  same("cycle", round.cycle, receipt.cycle);
  same("round", round.id, receipt.round);
  same("validator", validator, receipt.validator);
  same("seed", seed?.value ?? null, receipt.seed);
  same("base.version", round.baseVersion, receipt.base.version);
  same("base.digest", baseDigest, receipt.base.digest);
  if (entry === undefined) return;
  same("hotkey", entry.hotkey, receipt.hotkey);
  same("group", entry.group, receipt.group);
  same("commitment", commitmentName(entry.commitment), commitmentName(receipt.commitment));
}

function commitmentName(commitment: Receipt["commitment"]): string | null {
  return commitment === null ? null : contentDigest(commitment);
}

function checkSubmission(receipt: Receipt, bundle: Bundle, verify: VerifySignature, findings: Findings): void {
  const { uid, hotkey, commitment, submission, evaluation } = receipt;
  const place = (field: string) => ({ part: "receipt" as const, uid, field });
  if (submission.kind !== "accepted") {
    if (evaluation.kind === "scored") {
      findings.add("inconsistent", place("evaluation"), "an accepted submission", submission.kind);
    }
    return;
  }
  findings.compare("inconsistent", place("submission.sha256"), commitment?.hash ?? null, submission.sha256);
  const message = committedHashMessage(submission.sha256);
  if (commitment === null || !isSignedBy(verify, message, commitment.signature, hotkey)) {
    findings.add("signature_invalid", place("commitment.signature"), hotkey, commitment?.signature ?? "none");
  }
  checkOriginality(receipt, bundle, findings);
}

/** An accepted file that an accepted earlier one equals is no first one, and only such a one is a duplicate. */
function checkOriginality({ uid, evaluation }: Receipt, { header, receipts }: Bundle, findings: Findings): void {
  const { roster } = header.round;
  const entry = roster.find((each) => each.uid === uid);
  if (entry === undefined) return;
  const accepted = new Set(
    receipts.filter(({ receipt }) => receipt.submission.kind === "accepted").map(({ receipt }) => receipt.uid),
  );
  const { kind } = originalityOf(entry, roster, (other) => (accepted.has(other.uid) ? "stands" : "falls"));
  const isRejected = evaluation.kind === "rejected" && evaluation.reason === "duplicate";
  const isMeasured = evaluation.kind === "scored" || (evaluation.kind === "rejected" && !isRejected);
  const place = { part: "receipt" as const, uid, field: "evaluation" };
  if (kind === "duplicate" && isMeasured) findings.add("does_not_follow", place, "duplicate", evaluation.kind);
  if (kind === "first" && isRejected) findings.add("does_not_follow", place, "a first file", "duplicate");
}

/** The sequences that the round's seed chooses of a text of so many; each length is drawn once. */
function chosenBySeed({ header }: Bundle): (sequences: number) => readonly number[] {
  const drawn = new Map<number, readonly number[]>();
  const { seed, network } = header;
  return (sequences) => {
    const known = drawn.get(sequences);
    if (known !== undefined || seed === null) return known ?? [];
    const chosen = chooseBatches({ sequences, count: network.evaluation.sequences, seed: seed.value });
    drawn.set(sequences, chosen);
    return chosen;
  };
}

function checkMeasured(
  { uid }: Receipt,
  evaluation: MeasuredEvaluation,
  chosen: (sequences: number) => readonly number[],
  findings: Findings,
): void {
  const { batchLosses, lossBefore, lossAfter, tokens, text } = evaluation;
  const follows = (field: string, expected: number | string, found: number | string) =>
    findings.compare("does_not_follow", { part: "receipt", uid, field: `evaluation.${field}` }, expected, found);
  const sum = (of: (batch: (typeof batchLosses)[number]) => number) =>
    batchLosses.reduce((total, batch) => total + of(batch), 0);
  const counted = sum((batch) => batch.tokens);
  follows("tokens", counted, tokens);
  follows("lossBefore", sum(({ before }) => before) / counted, lossBefore);
  follows("lossAfter", sum(({ after }) => after) / counted, lossAfter);
  if (text === undefined) return;
  follows("text.chosen", chosen(text.sequences).slice(0, text.chosen.length).join(" "), text.chosen.join(" "));
  follows("batchLosses", Math.ceil(text.chosen.length / text.batchSize), batchLosses.length);
}
