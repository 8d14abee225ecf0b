import { serveRequests } from "@assay/runtime/child/serve-requests";
import { Engine } from "../engine/engine.ts";
import type { EvaluationRequest } from "../evaluator.ts";
import { type MeasuredText, Measurer, type MeasurerOptions } from "../measurer.ts";
import { reportAllocations } from "./failed-allocation.ts";

const options = JSON.parse(process.argv[2] ?? "null") as MeasurerOptions;
const measurer = new Measurer(new Engine(options), options);

serveRequests<EvaluationRequest, MeasuredText>((request, signal) =>
  reportAllocations(measurer.evaluate(request, signal)),
);
