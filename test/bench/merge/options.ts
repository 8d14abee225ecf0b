import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

/** What there is to measure. */
export const MERGE_BENCH_PARTS = ["size"] as const;
export type MergeBenchPart = (typeof MERGE_BENCH_PARTS)[number];

export interface MergeBenchOptions {
  readonly parts: readonly MergeBenchPart[];
  /** Size of the group that is merged, in bytes. */
  readonly groupBytes: number;
  readonly rounds: number;
  /** The merge's `consensus_timeout`. */
  readonly timeoutMillis: number;
  /** Folder on the volume that is measured. */
  readonly directory: string;
  readonly json: string | null;
  readonly help: boolean;
}

export const MERGE_BENCH_HELP = `Times a merge of one expert group by three validators beside copying the same bytes, in turns in one run, over loopback,
and watches the memory of their processes.

usage: npm run bench:merge [-- OPTIONS]

  --only PART            one part alone: ${MERGE_BENCH_PARTS.join(", ")}
  --mib N                size of the group as float32 (1024)
  --rounds N             rounds; the median counts (3)
  --timeout S            how long a merge may take (300): long, as six processes share this machine's cores
  --directory DIR        folder for everything, on the volume that counts (the system's temporary folder); takes about 20
                         times the group's size
  --json FILE            also write the result as JSON
  --help                 this text

Each validator is an evaluator's process and a model server's, with a checkpoint directory and a hotkey of their own. The
merge's time is from when all have their own gradients to the last one's published version: averages fetched and made,
outer step, version written and hashed. Copying moves what one validator fetched in the merge to each of three processes
from three others by plain HTTP, from file to synced file, without a look at the bytes or with SHA-256.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseMergeBenchOptions(args: readonly string[]): MergeBenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      only: { type: "string" },
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

function inRange(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (value >= least && value <= most && Number.isInteger(value)) return value;
  throw new RangeError(`${name} takes whole numbers from ${least} to ${most}, not "${text}"`);
}
