import { networkSchema } from "@assay/core/network";
import { asksForHelp } from "@assay/runtime/config/arguments";
import { loadConfig, renderConfig } from "@assay/runtime/config/load";
import { configHelp } from "@assay/runtime/config/reference";
import { runProcess } from "@assay/runtime/lifecycle/process";
import { createLogger } from "@assay/runtime/logging/logger";
import { compose } from "./compose.ts";
import { checkEvaluatorConfig, evaluatorSchema, networkFile } from "./config.ts";

const SERVICE = "evaluator";
const SUMMARY = "The brain of an Assay validator: follows the chain, measures submissions, merges, sets weights.";
const args = process.argv.slice(2);

if (asksForHelp(args)) {
  process.stdout.write(configHelp({ service: SERVICE, summary: SUMMARY, schema: evaluatorSchema }));
} else {
  await runProcess({ name: SERVICE }, async ({ useLogger }) => {
    const loaded = loadConfig({
      service: SERVICE,
      schema: evaluatorSchema,
      args,
      env: process.env,
      network: { schema: networkSchema, file: ({ network }) => networkFile(network) },
      check: checkEvaluatorConfig,
    });
    const { log } = loaded.values;
    const logger = createLogger({
      service: SERVICE,
      level: log.level,
      format: log.format,
      directory: log.directory === "" ? undefined : log.directory,
    });
    useLogger(logger);
    for (const warning of loaded.warnings) logger.warn(warning, { file: loaded.file });
    logger.info("Configuration", { file: loaded.file, values: renderConfig(loaded) });
    return await compose(loaded.values, loaded.network, logger);
  });
}
