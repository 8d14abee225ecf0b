import { parseArgs } from "node:util";

export interface SequentialOptions {
  /** File that the result is also written to; null for none. */
  readonly json: string | null;
  readonly rounds: number;
  readonly miners: readonly number[];
  readonly groups: number;
  readonly keep: readonly number[];
  readonly stageBatches: number;
  readonly errorLevel: number;
  readonly seed: number;
  readonly help: boolean;
}

export const SEQUENTIAL_HELP = `Simulates rounds that are measured in stages and compares them with fixed batches: no model, only numbers.

usage: npm run sim:sequential [-- OPTIONS]

  --json FILE        also write the result as JSON
  --rounds N         rounds of each field (100)
  --miners N,…       sizes of the field (16,64,256)
  --groups N         expert groups that a field is spread over (4)
  --keep N,…         how many of each group are to be told apart (1,3)
  --stage-batches N  batches of a stage, of 50 in all (5)
  --error-level P    bound on the probability of a wrong stop (0.05)
  --seed N           seed of the simulated fields (1)
  --help             this text

Ends with 1 if more groups lost one of their first submissions than the error level allows.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseSequentialOptions(args: readonly string[]): SequentialOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      json: { type: "string" },
      rounds: { type: "string", default: "100" },
      miners: { type: "string", default: "16,64,256" },
      groups: { type: "string", default: "4" },
      keep: { type: "string", default: "1,3" },
      "stage-batches": { type: "string", default: "5" },
      "error-level": { type: "string", default: "0.05" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const errorLevel = Number(values["error-level"]);
  if (!(errorLevel >= 0.0001 && errorLevel <= 0.5)) {
    throw new RangeError(`--error-level takes a number from 0.0001 to 0.5, not "${values["error-level"]}"`);
  }
  return {
    json: values.json ?? null,
    rounds: wholeNumber("--rounds", values.rounds, [1, 100_000]),
    miners: wholeNumbers("--miners", values.miners, [1, 4096]),
    groups: wholeNumber("--groups", values.groups, [1, 256]),
    keep: wholeNumbers("--keep", values.keep, [1, 256]),
    stageBatches: wholeNumber("--stage-batches", values["stage-batches"], [3, 25]),
    errorLevel,
    seed: wholeNumber("--seed", values.seed, [0, 2 ** 32 - 1]),
    help: values.help,
  };
}

function wholeNumbers(name: string, text: string, bounds: readonly [number, number]): readonly number[] {
  return text.split(",").map((each) => wholeNumber(name, each, bounds));
}

function wholeNumber(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} takes a whole number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}
