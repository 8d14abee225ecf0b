import { AUDIT_LABELS, type AuditLabel, type ValidatorAudit } from "@assay/core/weights/audit/audit-validators";
import type { CopySource } from "@assay/core/weights/audit/copies";
import { problemLine } from "../operator/problem.ts";
import { readableTao, table } from "../readable.ts";
import type { Audit } from "./audit-report.ts";

/** UIDs of a difference that are named; all ten are in the JSON. */
const SHOWN_DIFFERENCES = 3;

/** The audit for people. */
export function renderAudit(audit: Audit): string {
  const { netuid, block, earlierBlock, commitReveal, validators, problems } = audit;
  const beside =
    earlierBlock === null ? "no earlier block, so no copy is told" : `copies told by block ${earlierBlock}`;
  const hidden = commitReveal ? ", weights hidden by commit and reveal" : "";
  const rows = validators.map((validator) => [
    String(validator.uid),
    validator.hotkey,
    readableTao(validator.stakeRao),
    validator.lastUpdate === 0 ? "never" : `${block - validator.lastUpdate} blocks ago`,
    validator.distance === null ? "" : percent(validator.distance),
    validator.label,
    remark(validator),
  ]);
  const head = ["uid", "hotkey", "stake", "update", "elsewhere", "label", ""];
  return [
    `Subnet ${netuid} at block ${block}, ${beside}${hidden}:\n`,
    table([head, ...rows]),
    `${totals(validators)}\n`,
    ...problems.map((problem) => `${problemLine(problem)}\n`),
  ].join("");
}

function remark({ label, visible, copies, differences }: ValidatorAudit): string {
  if (label === "copier") return `of ${copies.map(sourceWords).join(", ")}`;
  if (label === "hidden") return visible === null ? "nothing visible yet" : `its visible weights: ${visible}`;
  if (label !== "diverger") return "";
  return differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(({ uid, share, consensus }) => `uid ${uid}: ${percent(share)}, not ${percent(consensus)}`)
    .join("; ");
}

function sourceWords(source: CopySource): string {
  if (source.kind === "validator") return `uid ${source.uid} (${source.hotkey})`;
  return `the consensus (${source.rule})`;
}

function totals(validators: readonly ValidatorAudit[]): string {
  const labels = Object.keys(AUDIT_LABELS) as AuditLabel[];
  const counted = labels.map((label) => [label, validators.filter((each) => each.label === label).length] as const);
  const said = counted.filter(([, count]) => count > 0).map(([label, count]) => `${count} ${label}`);
  return said.length === 0 ? "Nobody has a permit" : said.join(", ");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
