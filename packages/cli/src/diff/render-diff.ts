import type { NamedDifference, WithinBand } from "@assay/core/cycle-digests/compare-cycles";
import { differenceTitle } from "@assay/core/cycle-digests/difference";
import type { Json } from "@assay/core/hash/canonical-json";
import { oneLine } from "@assay/core/stranger-text";

/** What `assay diff` found. */
export interface DiffReport {
  readonly netuid: number;
  readonly cycle: number;
  readonly same: boolean;
  readonly ours: { readonly hotkey: string; readonly root: string; readonly from: string };
  readonly theirs: DiffReport["ours"] & {
    /** Whether the chain said whose signature must stand there. */
    readonly checkedAgainstChain: boolean;
  };
  readonly first: NamedDifference | null;
  readonly within: WithinBand;
}

/** The report for people: one line that names the first difference, then what both sides have there. */
export function renderDiff({ netuid, cycle, ours, theirs, first, within }: DiffReport): string {
  const unchecked = theirs.checkedAgainstChain ? "" : " (hotkey not checked against the chain)";
  const lines = [
    `Cycle ${cycle} of subnet ${netuid}`,
    `  ours    ${sideLine(ours)}`,
    `  theirs  ${sideLine(theirs)}${unchecked}`,
    ...(first === null ? [sameLine(ours.root === theirs.root)] : firstLines(first)),
    ...withinLines(within, first !== null),
  ];
  return `${lines.join("\n")}\n`;
}

function sideLine({ hotkey, root, from }: DiffReport["ours"]): string {
  return `${hotkey}, root ${root.slice(0, 12)}, ${from}`;
}

function sameLine(isEqual: boolean): string {
  return isEqual ? "The same in everything." : "Nothing differs beyond the band.";
}

function firstLines(first: NamedDifference): readonly string[] {
  const { path, ours, theirs, apart, doesNotFollow, weightGrounds } = first;
  const lines = [
    `First difference: ${differenceTitle(first)} (${path})`,
    `  ours    ${shown(ours)}`,
    `  theirs  ${shown(theirs)}`,
  ];
  if (apart !== null) lines.push(`  ${nats(apart.perToken)} nats per token apart, the band is ${apart.band}`);
  for (const side of doesNotFollow) lines.push(`  ${side} does not follow from its own losses and standings`);
  if (weightGrounds.length > 0)
    lines.push(`  read otherwise from the chain or the ledger: ${weightGrounds.join(", ")}`);
  return lines;
}

/** `--json` has it whole. */
const MOST_SHOWN = 300;

function shown(value: Json): string {
  return oneLine(JSON.stringify(value), MOST_SHOWN);
}

/** Two digits: what lies below says nothing. */
function nats(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function withinLines(within: WithinBand, isBefore: boolean): readonly string[] {
  const { largest, ...counts } = within;
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  if (parts.length === 0) return [];
  const list = parts.map(([what, count]) => `${what} ${count}`).join(", ");
  const where = isBefore ? "Passed over before it" : "Passed over";
  return [
    `${where}, as within the band or following from it: ${list}; losses at most ${nats(largest)} nats per token apart`,
  ];
}
