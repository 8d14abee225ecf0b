import { createLogger } from "@assay/runtime/logging/logger";
import { Ledger } from "../src/ledger.ts";

/** Appends events for ever and prints each number once it is committed: to be killed in the middle. */
const path = process.argv[2];
if (path === undefined) {
  throw new Error("Usage: append-events.ts LEDGER");
}
const logger = createLogger({ service: "append-events", level: "error", format: "human" });
const ledger = await Ledger.open({ path }, { logger });
for (let number = 1; ; number += 1) {
  await ledger.events.append({ kind: "count", block: number, fields: { number } });
  process.stdout.write(`${number}\n`);
}
