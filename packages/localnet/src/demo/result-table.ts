import type { CycleReport, MinerReport } from "../stage/cycle-report.ts";

const HEADINGS = ["miner", "kind", "group", "loss before", "loss after", "w_i", "score", "weight on chain", "reason"];
const LEFT_ALIGNED = new Set([0, 1, 8]);

/** The table of one cycle: a row per miner, ordered by group and then by what it earned. */
export function resultTable({ miners, weights }: CycleReport): string {
  const rows = [...miners].sort((a, b) => a.group - b.group || b.w - a.w || a.uid - b.uid);
  const cells = [HEADINGS, ...rows.map((miner) => cellsOf(miner, weights.onChain[miner.uid] ?? 0))];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, LEFT_ALIGNED.has(column)))
      .join("  ")
      .trimEnd(),
  );
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

function cellsOf(miner: MinerReport, weight: number): string[] {
  return [
    `${miner.uid} ${miner.hotkey.slice(0, 5)}...`,
    miner.kind,
    String(miner.group),
    miner.lossBefore?.toFixed(4) ?? "-",
    miner.lossAfter?.toFixed(4) ?? "-",
    miner.w.toFixed(4),
    miner.score?.toFixed(4) ?? "-",
    String(weight),
    miner.reason ?? "",
  ];
}

function pad(text: string, width: number, left: boolean): string {
  return left ? text.padEnd(width) : text.padStart(width);
}
