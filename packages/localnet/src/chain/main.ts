import { fstatSync } from "node:fs";
import { parseArgs } from "node:util";
import { readConfigFile } from "./config-file.ts";
import { type DevChainOptions, startDevChain } from "./dev-chain.ts";
import { developmentNeurons } from "./development-keys.ts";

const USAGE_EXIT_CODE = 2;
const STDIN = 0;

const USAGE = `Runs a development chain with one subnet and prints {"ready":true,"ws":ADDRESS} once it listens.

  --config FILE        options as JSON; the flags below override it
  --host HOST          address to listen on (127.0.0.1)
  --port PORT          port to listen on (any free one)
  --block-millis N     time between blocks (12000)
  --netuid N           the subnet (2)
  --validators N       validators //Validator//0... with stake and permit (1), without a configuration file
  --miners N           miners //Miner//0... (8), without a configuration file
`;

async function main(): Promise<void> {
  const options = await readOptions();
  const chain = await startDevChain(options);
  process.stdout.write(`${JSON.stringify({ ready: true, ws: chain.url })}\n`);
  await stopRequest();
  await chain.close();
}

async function readOptions(): Promise<DevChainOptions> {
  const { values } = parseArgs({
    options: {
      config: { type: "string" },
      host: { type: "string" },
      port: { type: "string" },
      "block-millis": { type: "string" },
      netuid: { type: "string" },
      validators: { type: "string", default: "1" },
      miners: { type: "string", default: "8" },
    },
  });
  const { config, host, port, "block-millis": blockMillis, netuid } = values;
  const counts = { validators: count(values.validators), miners: count(values.miners) };
  const base =
    config === undefined ? { netuid: 2, neurons: await developmentNeurons(counts) } : await readConfigFile(config);
  return {
    ...base,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: count(port) }),
    ...(blockMillis === undefined ? {} : { blockMillis: count(blockMillis) }),
    ...(netuid === undefined ? {} : { netuid: count(netuid) }),
  };
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`"${text}" is not a count`);
  return value;
}

/** Resolves when someone asks the process to stop, or when its parent is gone. */
function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    process.once("disconnect", () => resolve());
    if (!isStdinAPipe()) return;
    process.stdin.once("close", () => resolve());
    process.stdin.resume();
  });
}

/** Only a pipe ends with its writer; a terminal or /dev/null says nothing about the parent. */
function isStdinAPipe(): boolean {
  const stdin = fstatSync(STDIN, { throwIfNoEntry: false });
  return stdin !== undefined && (stdin.isFIFO() || stdin.isSocket());
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(USAGE_EXIT_CODE);
  },
);
