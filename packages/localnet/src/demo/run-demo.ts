import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import { FULL_CAST } from "../stage/cast.ts";
import { type CycleReport, weightsAgree } from "../stage/cycle-report.ts";
import { type FollowOptions, followCycles } from "../stage/follow-cycles.ts";
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
  const onLine = createProgress(write, options.verbose);
  const commitReveal = options.commitReveal ?? undefined;
  const subnet = new LocalSubnet({ folders, network, parts: FULL_CAST, commitReveal, onLine });
  const cycles: CycleReport[] = [];
  let failed: ReadonlyMap<string, number> = new Map();
  try {
    write(`Starting a chain, Redis, the two services and ${FULL_CAST.length} miners\n`);
    const model = prepareModel(folders, (text) => write(`${text}\n`));
    await subnet.start(logger, model);
    for await (const report of playCycles(subnet, { count: options.cycles, network }, logger, signal)) {
      cycles.push(report);
      write(`\nCycle ${report.cycle}, weights at block ${report.block}:\n${resultTable(report)}\n\n`);
    }
  } finally {
    failed = await subnet.stop();
    for (const [name, code] of failed) write(`${name} ended with exit code ${code}\n`);
  }
  const ok = failed.size === 0 && cycles.length === options.cycles && cycles.every(weightsAgree);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify({ cycles, ok }, null, 2)}\n`);
  if (ok && options.directory === null) await rm(root, { recursive: true, force: true });
  return { cycles, ok };
}

async function* playCycles(
  subnet: LocalSubnet,
  options: FollowOptions,
  logger: Logger,
  signal: AbortSignal,
): AsyncGenerator<CycleReport> {
  const chain = subnet.createChainReader(logger);
  const ledger = await Ledger.open({ path: subnet.validator.ledgerPath }, { logger });
  try {
    await chain.start(signal);
    await subnet.run();
    yield* followCycles({ ledger, chain, parts: FULL_CAST, validatorUid: VALIDATOR_UID }, options, signal);
  } finally {
    await chain.stop();
    await ledger.stop();
  }
}
