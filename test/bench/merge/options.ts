import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { TROUBLES } from "./cycles/troubles.ts";

/** What there is to measure. */
export const MERGE_BENCH_PARTS = ["cycles", "loops", "size"] as const;
export type MergeBenchPart = (typeof MERGE_BENCH_PARTS)[number];

export interface MergeBenchOptions {
  readonly parts: readonly MergeBenchPart[];
  /** Size of the group that is merged, in bytes. */
  readonly groupBytes: number;
  readonly rounds: number;
  /** The merge's `consensus_timeout`. */
  readonly timeoutMillis: number;
  /** Cycles of complete validators in which all are honest. */
  readonly honestCycles: number;
  /** Troubles of one of them in the cycles after those, in this order. */
  readonly troubles: readonly string[];
  readonly miners: number;
  /** Folder on the volume that is measured. */
  readonly directory: string;
  readonly json: string | null;
  readonly help: boolean;
}

const KINDS: readonly string[] = TROUBLES.map(({ kind }) => kind);
export const VALIDATORS = 3;

export const MERGE_BENCH_HELP = `Lets ${VALIDATORS} complete validators merge cycle after cycle, and times a merge of one large expert group.

usage: npm run bench:merge [-- OPTIONS]

  --only PART            one part alone: ${MERGE_BENCH_PARTS.join(", ")}
  --json FILE            also write the result as JSON
  --directory DIR        folder for everything, on the volume that counts (the system's temporary folder)
  --help                 this text

cycles: each validator with both services, a Redis and a checkpoint directory of its own, on a development chain. After the
honest cycles the last validator has one trouble per cycle; the others must end alike within the merge's time, and it
must have their version before the next round is planned. About 72 s each.

  --cycles N             honest cycles (10)
  --troubles LIST        separated by commas, none, or all (all): ${KINDS.slice(0, 5).join(", ")},
                         ${KINDS.slice(5).join(", ")}
  --miners N             miners, spread over four groups (12)

loops: the processor time of the loops of a merge over arrays in plain memory and in memory for vector instructions, in
turns. A few seconds a round.

size: three evaluators' processes and three model servers merge one group. The time is from when all have their own
gradients to the last one's published version: averages fetched and made, outer step, version written and hashed.
Copying, in turns with it, moves what one validator fetched in the merge to each of three processes from three others by
plain HTTP, from file to synced file, without a look at the bytes or with SHA-256. Takes about 20 times the group's size
on the volume.

  --mib N                size of the group as float32 (1024)
  --rounds N             rounds; the median counts, after a first one that does not (3)
  --timeout S            how long a merge may take (300)

Ends with 1 if a cycle was not as it must be.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseMergeBenchOptions(args: readonly string[]): MergeBenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      only: { type: "string" },
      cycles: { type: "string", default: "10" },
      troubles: { type: "string", default: "all" },
      miners: { type: "string", default: "12" },
      mib: { type: "string", default: "1024" },
      rounds: { type: "string", default: "3" },
      timeout: { type: "string", default: "300" },
      directory: { type: "string", default: tmpdir() },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    parts: values.only === undefined ? MERGE_BENCH_PARTS : [partOf(values.only)],
    honestCycles: inRange("--cycles", values.cycles, [0, 1_000]),
    troubles: troublesIn(values.troubles),
    miners: inRange("--miners", values.miners, [1, 64]),
    groupBytes: inRange("--mib", values.mib, [1, 16_384]) * 2 ** 20,
    rounds: inRange("--rounds", values.rounds, [1, 20]),
    timeoutMillis: inRange("--timeout", values.timeout, [1, 3600]) * 1000,
    directory: values.directory,
    json: values.json ?? null,
    help: values.help,
  };
}

function partOf(text: string): MergeBenchPart {
  const part = MERGE_BENCH_PARTS.find((each) => each === text);
  if (part === undefined) throw new RangeError(`--only takes one of ${MERGE_BENCH_PARTS.join(", ")}, not "${text}"`);
  return part;
}

function troublesIn(text: string): readonly string[] {
  if (text === "none") return [];
  const kinds = text === "all" ? KINDS : text.split(",").map((each) => each.trim());
  const unknown = kinds.find((each) => !KINDS.includes(each));
  if (unknown === undefined) return kinds;
  throw new RangeError(`--troubles takes none, all, or of ${KINDS.join(", ")}, not "${unknown}"`);
}

function inRange(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (value >= least && value <= most && Number.isInteger(value)) return value;
  throw new RangeError(`${name} takes whole numbers from ${least} to ${most}, not "${text}"`);
}
