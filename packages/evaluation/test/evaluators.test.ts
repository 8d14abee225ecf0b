import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { evaluatorContract } from "@assay/testing/contracts/evaluator-contract";
import { ChildEvaluator } from "../src/child-evaluator.ts";
import type { EvaluatorOptions } from "../src/evaluator.ts";
import { InProcessEvaluator } from "../src/in-process-evaluator.ts";

const inProcess = (options: EvaluatorOptions) => new InProcessEvaluator({ logger: createMemoryLogger() }, options);
const child = (options: EvaluatorOptions) => new ChildEvaluator({ logger: createMemoryLogger() }, options);

evaluatorContract("InProcessEvaluator", inProcess, child);
evaluatorContract("ChildEvaluator", child, inProcess);
