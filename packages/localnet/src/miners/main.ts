import { parseArgs } from "node:util";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { isAppError } from "@assay/core/app-error";
import { FileServer } from "./file-server.ts";
import { createJournal, journalLogger } from "./journal.ts";
import { Miner, type MinerFacts } from "./miner.ts";
import { loadMinerConfig, type MinerConfig } from "./miner-config.ts";
import { MinerErrorCode } from "./miner-error.ts";
import { ModelSource } from "./model-source.ts";

/** 0 only after a requested stop. */
const EXIT_CODES = { stopped: 0, crashed: 1, configInvalid: 2, notRegistered: 3 } as const;

const REQUEST_DEADLINE_MILLIS = 10_000;
const HEAD_SILENCE_MILLIS = 120_000;

const facts: MinerFacts & { hotkey: string | null } = { uid: null, hotkey: null, cycle: null };
const journal = createJournal(
  (line) => process.stdout.write(line),
  () => ({ ...facts }),
);
const stopping = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stopping.abort(new Error(name)));
process.once("disconnect", () => stopping.abort(new Error("The parent is gone")));

process.exitCode = await main(stopping.signal);
process.exit();

async function main(signal: AbortSignal): Promise<number> {
  try {
    const { values } = parseArgs({ options: { config: { type: "string" } } });
    await mine(await loadMinerConfig(values.config ?? ""), signal);
  } catch (error) {
    if (signal.aborted) {
      journal("stopped", { reason: String(signal.reason) });
      return EXIT_CODES.stopped;
    }
    journal("failed", {}, error);
    return exitCodeOf(error);
  }
  return EXIT_CODES.crashed;
}

async function mine(config: MinerConfig, signal: AbortSignal): Promise<void> {
  const signer = await loadHotkey({ uri: config.uri });
  facts.hotkey = signer.address;
  const chain = new PolkadotChainClient(
    { logger: journalLogger(journal), signer },
    {
      endpoints: [config.chainEndpoint],
      requestDeadlineMillis: REQUEST_DEADLINE_MILLIS,
      headSilenceMillis: HEAD_SILENCE_MILLIS,
    },
  );
  const fileServer = config.pull ? new FileServer({ journal }) : null;
  const source = new ModelSource({ journal }, { ...config, hotkey: signer.address });
  const openBench = async () => {
    const { openTrainingBench } = await import("./training-bench.ts");
    return await openTrainingBench(config.group, config.groups);
  };
  try {
    await fileServer?.start(signal);
    await chain.start(signal);
    await new Miner({ chain, signer, source, fileServer, openBench, journal }, config, facts).run(signal);
  } finally {
    await fileServer?.stop();
    await chain.stop();
  }
}

function exitCodeOf(error: unknown): number {
  if (!isAppError(error)) return EXIT_CODES.crashed;
  if (error.code === MinerErrorCode.ConfigInvalid) return EXIT_CODES.configInvalid;
  return error.code === MinerErrorCode.NotRegistered ? EXIT_CODES.notRegistered : EXIT_CODES.crashed;
}
