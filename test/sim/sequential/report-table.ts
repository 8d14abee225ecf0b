import type { Agreement, Report } from "./simulate.ts";

const HEADINGS = [
  "Miners",
  "`keep`",
  "Batches saved",
  "Like fixed: tau, leaders, best",
  "True order: stages",
  "True order: fixed",
  "True order: fixed at the same cost",
  "Wrong stops",
] as const;

/** The reports as a Markdown table, a line each. */
export function reportTable(reports: readonly Report[]): string {
  const rows = reports.map((report) => [
    String(report.miners),
    String(report.keep),
    percent(report.batchesSaved),
    ...[report.stagesToFixed, report.stagesToTruth, report.fixedToTruth, report.equalCostToTruth].map(describe),
    percent(report.wrongStops.byTruth),
  ]);
  return [HEADINGS, HEADINGS.map(() => "--:"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function describe({ tau, leaders, best }: Agreement): string {
  return `${tau.toFixed(3)}, ${percent(leaders)}, ${percent(best)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
