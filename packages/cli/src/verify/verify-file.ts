import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { verifySignature } from "@assay/chain/verify-signature";
import type { Bundle } from "@assay/core/receipts/bundle";
import { FINDING_CODES, type Finding } from "@assay/core/receipts/finding";
import { verifyBundle } from "@assay/core/receipts/verify-bundle";
import { CliError, CliErrorCode, usageError } from "../cli-error.ts";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { compareWithChain } from "./compare-with-chain.ts";
import { measureAgain } from "./measure-again.ts";

/** `assay verify BUNDLE`. */
export async function verifyFile(input: CommandInput, context: CommandContext): Promise<CommandResult> {
  const [path = ""] = input.operands;
  const { bundle, findings } = verifyBundle(await readBytes(path), verifySignature);
  const more = bundle === null ? [] : await lookFurther(bundle, input, context);
  const all = [...findings, ...more];
  const json = { bundle: bundle === null ? null : summaryOf(bundle), findings: all };
  return { json, text: render(bundle, all), exitCode: all.length === 0 ? 0 : 1 };
}

async function lookFurther(bundle: Bundle, { options }: CommandInput, context: CommandContext): Promise<Finding[]> {
  const store = options.text("store");
  const dataset = options.text("dataset");
  if ((store === null) !== (dataset === null)) throw usageError("--store and --dataset go together");
  const found: Finding[] = [];
  if (options.flag("chain")) found.push(...(await compareWithChain(bundle, options, context)));
  if (store !== null && dataset !== null) {
    const uids = new Set(options.texts("uid").map(uidOf));
    const places = { store: resolve(store), dataset: resolve(dataset), uids };
    found.push(...(await measureAgain(bundle, places, context)));
  }
  return found;
}

function uidOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`--uid takes a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new CliError(CliErrorCode.FileUnreadable, "The file cannot be read", { fields: { path }, cause });
  }
}

function summaryOf({ header, receipts, root }: Bundle) {
  const { netuid, validator, code, round } = header;
  return { netuid, validator, code, cycle: round.cycle, round: round.id, receipts: receipts.length, root };
}

function render(bundle: Bundle | null, findings: readonly Finding[]): string {
  const lines: string[] = [];
  if (bundle !== null) {
    const { netuid, validator, cycle, round, receipts, root } = summaryOf(bundle);
    lines.push(
      `Cycle ${cycle} (round ${round}) of subnet ${netuid}, by ${validator}: ${receipts} receipts, root ${root}`,
    );
  }
  lines.push(...findings.map(findingLine));
  lines.push(findings.length === 0 ? "Everything follows." : `${findings.length} findings.`);
  return `${lines.join("\n")}\n`;
}

/** `receipt of uid 2, w: The rules give another value (does_not_follow); expected 0.1, found 0.5`. */
function findingLine({ code, part, uid, field, expected, found }: Finding): string {
  const place = uid === null ? part : `${part} of uid ${uid}`;
  const values = expected === "" && found === "" ? "" : `; expected ${shown(expected)}, found ${shown(found)}`;
  return `${place}${field === "" ? "" : `, ${field}`}: ${FINDING_CODES[code]} (${code})${values}`;
}

const MOST_SHOWN = 120;

/** A stranger's text, so that it cannot do anything to a terminal. */
function shown(text: string): string {
  const printable = text.replace(/[\p{Cc}\u2028\u2029]/gu, "?");
  return printable.length > MOST_SHOWN ? `${printable.slice(0, MOST_SHOWN)}…` : printable;
}
