import type { Bundle } from "./bundle.ts";

/** Columns of the exports, in their order. */
export const RECEIPT_COLUMNS = [
  "closed_at",
  "cycle",
  "round",
  "uid",
  "hotkey",
  "expert_group",
  "outcome",
  "reason",
  "loss_before",
  "loss_after",
  "tokens",
  "w",
  "score",
  "points",
  "weight",
  "receipt",
  "bundle_root",
] as const;

/** The bundle's receipts as lines of CSV (RFC 4180), without the line of names, each ending with CR LF. */
export function receiptRows({ header, receipts, scores, weights, root }: Bundle): string {
  const closedAt = new Date(header.closedAt).toISOString();
  const { plan } = weights;
  return receipts
    .map(({ receipt, digest }) => {
      const { cycle, round, uid, hotkey, group, evaluation, submission, reason, w } = receipt;
      const scored = evaluation.kind === "scored" ? evaluation : null;
      const state = scores.after.find((each) => each.hotkey === hotkey);
      const weight = plan.kind === "weights" ? (plan.weights[plan.hotkeys.indexOf(hotkey)] ?? 0) : 0;
      return csvLine([
        closedAt,
        cycle,
        round,
        uid,
        hotkey,
        group,
        evaluation.kind === "none" ? submission.kind : evaluation.kind,
        reason,
        scored?.lossBefore ?? null,
        scored?.lossAfter ?? null,
        scored?.tokens ?? null,
        w,
        state?.ema ?? null,
        state?.points ?? null,
        weight,
        digest,
        root,
      ]);
    })
    .join("");
}

/**
 * One line of CSV as RFC 4180 has it, with CR LF.
 *
 * A text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay numbers.
 */
export function csvLine(values: readonly (string | number | null)[]): string {
  return `${values.map(csvField).join(",")}\r\n`;
}

function csvField(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
