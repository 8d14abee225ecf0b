import { serveRequests } from "@assay/runtime/child/serve-requests";
import { Engine, type EngineOptions, type EngineResult } from "../engine/engine.ts";
import type { EvaluationRequest } from "../evaluator.ts";

const engine = new Engine(JSON.parse(process.argv[2] ?? "null") as EngineOptions);

serveRequests<EvaluationRequest, EngineResult>((request, signal) => engine.evaluate(request, signal));
