import { parseArgs } from "node:util";
import { type CommitReveal, parseCommitReveal } from "../stage/commit-reveal.ts";

export interface DemoOptions {
  readonly cycles: number;
  /** File that the result is also written to; null for none. */
  readonly json: string | null;
  /** Folder to work in; null for a temporary one that is removed after success. */
  readonly directory: string | null;
  /** How the subnet hides weights; null when it does not. */
  readonly commitReveal: CommitReveal | null;
  readonly verbose: boolean;
  readonly help: boolean;
}

export const DEMO_HELP = `Runs a whole subnet on this machine: a chain, one validator, 16 miners, full cycles at fast blocks.

usage: npm run demo [-- OPTIONS]

  --cycles N       full cycles to run (3)
  --json FILE      also write the result as JSON
  --directory DIR  keep everything there: logs, model versions, submissions, ledger (a temporary folder otherwise)
  --commit-reveal WAY  hide weights until a later epoch: "timelocked" or "hashed"
  --verbose        print every line of the two services
  --help           this text

Exit code 0 only if in every cycle the weights read back from the chain equal those intended.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      cycles: { type: "string", default: "3" },
      json: { type: "string" },
      directory: { type: "string" },
      "commit-reveal": { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const cycles = Number(values.cycles);
  if (!Number.isInteger(cycles) || cycles < 1 || cycles > 1000) {
    throw new RangeError(`--cycles takes a whole number from 1 to 1000, not "${values.cycles}"`);
  }
  return {
    cycles,
    commitReveal: parseCommitReveal("--commit-reveal", values["commit-reveal"]),
    json: values.json ?? null,
    directory: values.directory ?? null,
    verbose: values.verbose,
    help: values.help,
  };
}
