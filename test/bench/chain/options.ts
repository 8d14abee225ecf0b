import { parseArgs } from "node:util";
import { type CommitReveal, parseCommitReveal } from "@assay/localnet/stage/commit-reveal";

export interface ChainBenchOptions {
  readonly cycles: number;
  /** Decides when each fault comes and in which order. */
  readonly seed: number;
  readonly commitReveal: CommitReveal | null;
  /** Where everything is kept; a folder that goes afterwards when null. */
  readonly directory: string | null;
  readonly json: string | null;
  readonly help: boolean;
}

export const CHAIN_BENCH_HELP = `Runs a validator on a chain on which everything goes wrong, and counts the weights that arrive.

usage: npm run bench:chain [-- OPTIONS]

  --cycles N         cycles, each with one fault of every kind (50)
  --seed N           seed of the faults' times and order (1)
  --commit-reveal W  hide weights: timelocked or hashed (they are plain)
  --directory PATH   keep everything in this folder (a folder that is deleted if all went well)
  --json FILE        also write the result as JSON
  --help             this text

Ends with 1 if a permitted window has not exactly one verified set of weights, a fault was not survived, or a
published metric was wrong.
`;

const MOST_CYCLES = 10_000;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseChainBenchOptions(args: readonly string[]): ChainBenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      cycles: { type: "string", default: "50" },
      seed: { type: "string", default: "1" },
      "commit-reveal": { type: "string" },
      directory: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    cycles: wholeNumber("--cycles", values.cycles, [1, MOST_CYCLES]),
    seed: wholeNumber("--seed", values.seed, [0, 2 ** 31]),
    commitReveal: parseCommitReveal("--commit-reveal", values["commit-reveal"]),
    directory: values.directory ?? null,
    json: values.json ?? null,
    help: values.help,
  };
}

function wholeNumber(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name} takes whole numbers from ${least} to ${most}, not "${text}"`);
}
