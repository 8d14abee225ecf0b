import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { FULL_CAST } from "../stage/cast.ts";
import { type CycleReport, weightsAgree } from "../stage/cycle-report.ts";
import { followCycles } from "../stage/follow-cycles.ts";
import { loadLocalNetwork } from "../stage/local-network.ts";
import { LocalSubnet, VALIDATOR_UID } from "../stage/local-subnet.ts";
import { prepareModel } from "../stage/prepare-model.ts";
import { makeFolders } from "../stage/stage-files.ts";
import type { DemoOptions } from "./options.ts";
import { createProgress } from "./progress.ts";
import { resultTable } from "./result-table.ts";

export interface DemoResult {
  readonly cycles: readonly CycleReport[];
  /** Whether every cycle's weights on chain are the intended ones and every process ended well. */
  readonly ok: boolean;
}

export interface DemoComponents {
  readonly write: (text: string) => void;
  readonly logger: Logger;
}

/** Runs the whole subnet for some cycles and reports what the chain holds in the end. */
export async function runDemo(
  options: DemoOptions,
  { write, logger }: DemoComponents,
  signal: AbortSignal,
): Promise<DemoResult> {
  const root = options.directory === null ? await mkdtemp(join(tmpdir(), "assay-demo-")) : resolve(options.directory);
  const folders = await makeFolders(root);
  write(`Working in ${root}; logs in ${folders.logs}\n`);
  const network = await loadLocalNetwork();
  await prepareModel(folders, (text) => write(`${text}\n`));

  const subnet = new LocalSubnet({
    folders,
    network,
    parts: FULL_CAST,
    onLine: createProgress(write, options.verbose),
  });
  const cycles: CycleReport[] = [];
  try {
    write(`Starting a chain, Redis, the two services and ${FULL_CAST.length} miners\n`);
    await subnet.start(logger);
    const chain = subnet.createChainReader(logger);
    await chain.start(signal);
    const ledger = await Ledger.open({ path: subnet.ledgerPath }, { logger });
    await subnet.run();
    try {
      const sources = { ledger, chain, parts: FULL_CAST, validatorUid: VALIDATOR_UID };
      for await (const report of followCycles(sources, { count: options.cycles, network }, signal)) {
        cycles.push(report);
        write(`\nCycle ${report.cycle}, weights at block ${report.block}:\n${resultTable(report)}\n\n`);
      }
    } finally {
      await chain.stop();
      await ledger.stop();
    }
  } finally {
    const failed = await subnet.stop();
    for (const [name, code] of failed) write(`${name} ended with exit code ${code}\n`);
    if (failed.size > 0) cycles.length = 0;
  }
  const result = { cycles, ok: cycles.length === options.cycles && cycles.every(weightsAgree) };
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (result.ok && options.directory === null) await rm(root, { recursive: true, force: true });
  return result;
}
