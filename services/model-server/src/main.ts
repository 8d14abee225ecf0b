import { asksForHelp } from "@assay/runtime/config/arguments";
import { loadConfig, renderConfig } from "@assay/runtime/config/load";
import { configHelp } from "@assay/runtime/config/reference";
import { type ProcessContext, runProcess } from "@assay/runtime/lifecycle/process";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import { createLogger } from "@assay/runtime/logging/logger";
import { createRegistry } from "@assay/runtime/metrics/registry";
import { SystemClock } from "@assay/runtime/time/clock";
import { compose } from "./compose.ts";
import { configProblems, modelServerSchema } from "./config.ts";

const SERVICE = "model-server";
const VERSION = "0.1.0";

/** For connections that are not transfers, and the other parts. */
const STOP_MARGIN_MILLIS = 10_000;
const SUMMARY = "The public edge of an Assay validator: hands out the model, takes submissions.";

const args = process.argv.slice(2);
if (asksForHelp(args)) {
  process.stdout.write(configHelp({ service: SERVICE, summary: SUMMARY, schema: modelServerSchema }));
} else {
  await runProcess({ name: SERVICE }, start);
}

async function start({ useLogger, useStopDeadline }: ProcessContext): Promise<readonly Startable[]> {
  const schema = modelServerSchema;
  const loaded = loadConfig({ service: SERVICE, schema, args, env: process.env, check: configProblems });
  const { log, development } = loaded.values;
  const directory = log.directory === "" ? undefined : log.directory;
  const logger = createLogger({ service: SERVICE, level: log.level, format: log.format, directory });
  useLogger(logger);
  useStopDeadline(loaded.values.drain_seconds * 1000 + STOP_MARGIN_MILLIS);
  for (const warning of loaded.warnings) {
    logger.warn(warning, { file: loaded.file });
  }
  if (development.no_auth) {
    logger.warn("Serving without authentication: development.no_auth is set");
  }
  logger.info("Configuration", { file: loaded.file, values: renderConfig(loaded) });
  const registry = createRegistry({ service: SERVICE, version: VERSION });
  return compose(loaded.values, { logger, clock: new SystemClock(), registry });
}
