import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

export interface ServerBenchOptions {
  /** Size of the slice, and of a submission, in bytes. */
  readonly bytes: number;
  /** Who download at the same time. */
  readonly clients: readonly number[];
  /** Who upload at the same time. */
  readonly uploadClients: readonly number[];
  /** How long each contender is measured in each round. */
  readonly seconds: number;
  readonly rounds: number;
  /** Folder on the volume that is measured. */
  readonly directory: string;
  readonly json: string | null;
  readonly help: boolean;
}

export const SERVER_BENCH_HELP = `Times downloads from the model server beside nginx and FastAPI, and uploads to it beside hashing and writing the same
bytes without a server, in turns in one run, over loopback.

usage: npm run bench:server [-- OPTIONS]

  --mib N                size of the slice that everybody downloads, and of each submission (1024)
  --clients LIST         downloads at a time (1,8,64); none for no downloads
  --upload-clients LIST  uploads at a time (1,8), each by another hotkey; none for no uploads
  --seconds S            how long each server is measured in each round of downloads (3)
  --rounds N             rounds; the median counts (3)
  --directory DIR        folder for model and uploads, on the volume that counts (the system's temporary folder)
  --json FILE            also write the result as JSON
  --help                 this text

nginx is compared where it is installed (Debian: nginx-light), FastAPI where a python3 can import it (Debian:
python3-fastapi and uvicorn). Servers and clients share this machine's cores. An upload counts when it is accepted: judged,
hashed, synced to the disk and renamed. Its limit is one process that hashes in one thread while the same bytes are
written and synced.
`;

/** @throws TypeError or RangeError for arguments that are not understood, in words for the person who typed them. */
export function parseServerBenchOptions(args: readonly string[]): ServerBenchOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      mib: { type: "string", default: "1024" },
      clients: { type: "string", default: "1,8,64" },
      "upload-clients": { type: "string", default: "1,8" },
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      directory: { type: "string", default: tmpdir() },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    bytes: inRange("--mib", values.mib, [1, 16_384]) * 2 ** 20,
    clients: counts("--clients", values.clients, 256),
    uploadClients: counts("--upload-clients", values["upload-clients"], 64),
    seconds: inRange("--seconds", values.seconds, [0.1, 60], false),
    rounds: inRange("--rounds", values.rounds, [1, 20]),
    directory: values.directory,
    json: values.json ?? null,
    help: values.help,
  };
}

function counts(name: string, text: string, most: number): readonly number[] {
  return text === "none" ? [] : text.split(",").map((each) => inRange(name, each, [1, most]));
}

function inRange(name: string, text: string, [least, most]: readonly [number, number], isWhole = true): number {
  const value = Number(text);
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  throw new RangeError(`${name} takes ${isWhole ? "whole " : ""}numbers from ${least} to ${most}, not "${text}"`);
}
