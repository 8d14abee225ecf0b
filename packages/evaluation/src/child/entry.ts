import { serveRequests } from "@assay/runtime/child/serve-requests";
import { Engine } from "../engine/engine.ts";
import type { EvaluationRequest } from "../evaluator.ts";
import { type MeasuredText, Measurer, type MeasurerOptions } from "../measurer.ts";

const options = JSON.parse(process.argv[2] ?? "null") as MeasurerOptions;
/** The parent logs whatever the child prints, at debug. */
const logger = {
  debug: (message: string, fields = {}) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
const measurer = new Measurer(new Engine(options), options, logger);

serveRequests<EvaluationRequest, MeasuredText>((request, signal) => measurer.evaluate(request, signal));
