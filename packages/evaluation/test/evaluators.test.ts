import { fileURLToPath } from "node:url";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { evaluatorContract } from "@assay/testing/contracts/evaluator-contract";
import { ChildEvaluator } from "../src/child-evaluator.ts";
import type { EvaluatorOptions } from "../src/evaluator.ts";
import { InProcessEvaluator } from "../src/in-process-evaluator.ts";
import { StdioEvaluator } from "../src/stdio/stdio-evaluator.ts";

const ENTRY = fileURLToPath(new URL("../src/stdio/entry.ts", import.meta.url));
const command = [process.execPath, "--conditions=source", ENTRY, "--device={device}"];

const inProcess = (options: EvaluatorOptions) => new InProcessEvaluator({ logger: createMemoryLogger() }, options);
const child = (options: EvaluatorOptions) => new ChildEvaluator({ logger: createMemoryLogger() }, options);
const stdio = (options: EvaluatorOptions) =>
  new StdioEvaluator({ logger: createMemoryLogger() }, { ...options, command });

evaluatorContract("InProcessEvaluator", inProcess, child);
evaluatorContract("ChildEvaluator", child, inProcess);
evaluatorContract("StdioEvaluator over our own engine", stdio, inProcess);
