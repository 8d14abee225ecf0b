import { serveRequests } from "@assay/runtime/child/serve-requests";
import { Engine } from "../engine/engine.ts";
import { type MeasuredText, Measurer, type MeasurerOptions } from "../measurer.ts";
import { reportAllocations } from "./failed-allocation.ts";
import type { ChildRequest } from "./request.ts";

const options = JSON.parse(process.argv[2] ?? "null") as MeasurerOptions;
/** The parent logs whatever the child prints, at debug. */
const logger = {
  debug: (message: string, fields = {}) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
const measurer = new Measurer(new Engine(options), options, logger);

serveRequests<ChildRequest, MeasuredText | null>(async ({ kind, request }, signal) => {
  if (kind === "evaluate") return await reportAllocations(measurer.evaluate(request, signal));
  measurer.prepare(request);
  return null;
});
