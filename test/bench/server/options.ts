import { parseArgs } from "node:util";

export interface ServerBenchOptions {
  /** Size of the slice in bytes. */
  readonly bytes: number;
  readonly clients: readonly number[];
  /** How long each contender is measured in each round. */
  readonly seconds: number;
  readonly rounds: number;
  readonly json: string | null;
  readonly help: boolean;
}

export const SERVER_BENCH_HELP = `Times downloads from the model server beside nginx and FastAPI, in turns in one run, over loopback.

usage: npm run bench:server [-- OPTIONS]

  --mib N          size of the slice that everybody downloads (1024)
  --clients LIST   clients at a time (1,8,64)
  --seconds S      how long each server is measured in each round (3)
  --rounds N       rounds; the median counts (3)
  --json FILE      also write the result as JSON
  --help           this text

nginx is compared where it is installed (Debian: nginx-light), FastAPI where a python3 can import it (Debian:
python3-fastapi and uvicorn). Servers and clients share this machine's cores.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseServerBenchOptions(args: readonly string[]): ServerBenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      mib: { type: "string", default: "1024" },
      clients: { type: "string", default: "1,8,64" },
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    bytes: inRange("--mib", values.mib, [1, 16_384]) * 2 ** 20,
    clients: values.clients.split(",").map((each) => inRange("--clients", each, [1, 256])),
    seconds: inRange("--seconds", values.seconds, [0.1, 60], false),
    rounds: inRange("--rounds", values.rounds, [1, 20]),
    json: values.json ?? null,
    help: values.help,
  };
}

function inRange(name: string, text: string, [least, most]: readonly [number, number], isWhole = true): number {
  const value = Number(text);
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  throw new RangeError(`${name} takes ${isWhole ? "whole " : ""}numbers from ${least} to ${most}, not "${text}"`);
}
