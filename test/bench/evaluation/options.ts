import { parseArgs } from "node:util";
import { SIZES, type Size } from "./sizes.ts";

export interface BenchOptions {
  readonly size: Size;
  readonly miners: number;
  readonly json: string | null;
  readonly help: boolean;
}

export const BENCH_HELP = `Times the evaluation of submissions against other ways to do it, side by side in one run, one thread each.

usage: npm run bench:evaluation [-- OPTIONS]

  --size small|big|wide  the model: 3.5, 86 or 79 million parameters (small)
  --miners N             submissions, each measured once in every way (12)
  --json FILE            also write the result as JSON
  --help                 this text

PyTorch is compared with where python3 can import torch (Debian: python3-torch, with libopenblas0-openmp or -pthread), and
refused where its matrix product is slower than 50 GFLOP/s, as with the reference BLAS.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      size: { type: "string", default: "small" },
      miners: { type: "string", default: "12" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const size = SIZES.find((each) => each === values.size);
  if (size === undefined) throw new RangeError(`--size takes one of ${SIZES.join(", ")}, not "${values.size}"`);
  const miners = Number(values.miners);
  if (!Number.isInteger(miners) || miners < 2 || miners > 1000) {
    throw new RangeError(`--miners takes a whole number from 2 to 1000, not "${values.miners}"`);
  }
  return { size, miners, json: values.json ?? null, help: values.help };
}
