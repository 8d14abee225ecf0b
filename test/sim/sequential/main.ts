import { writeFile } from "node:fs/promises";
import { runTool } from "@assay/runtime/lifecycle/tool";
import { MEASURED_SPREAD } from "./field.ts";
import { parseSequentialOptions, SEQUENTIAL_HELP, type SequentialOptions } from "./options.ts";
import { reportTable } from "./report-table.ts";
import { type Report, simulate } from "./simulate.ts";

/** As on the main network, in batches of eight. */
const SEQUENCES = 400;
const BATCH_SEQUENCES = 8;

async function main(options: SequentialOptions): Promise<number> {
  const { json, help: _, ...asked } = options;
  const reports = options.keep.flatMap((keep) => options.miners.map((miners) => report(options, miners, keep)));
  process.stdout.write(reportTable(reports));
  if (json !== null) {
    const result = {
      ...asked,
      sequences: SEQUENCES,
      batchSequences: BATCH_SEQUENCES,
      spread: MEASURED_SPREAD,
      reports,
    };
    await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  }
  return reports.every(({ wrongStops }) => wrongStops.byTruth <= options.errorLevel) ? 0 : 1;
}

function report(options: SequentialOptions, miners: number, keep: number): Report {
  const { groups, rounds, seed, stageBatches, errorLevel } = options;
  const rules = { batchSequences: BATCH_SEQUENCES, stageBatches, keep, errorLevel };
  return simulate({ miners, groups, rounds, sequences: SEQUENCES, seed, rules });
}

runTool({ help: SEQUENTIAL_HELP, parse: parseSequentialOptions, run: main });
