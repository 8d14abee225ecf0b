import { type CheckedStep, checkObjectStore } from "@assay/checkpoint/object-store/check-object-store";
import { type ObjectStoreOptions, objectStoreName } from "@assay/checkpoint/object-store/object-store-options";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { type Problem, problemLine, problemOf } from "../operator/problem.ts";
import { storeOf } from "./store-options.ts";

const TIMEOUT_SECONDS = 60;
const PRESIGN_SECONDS = 60;

/** Tries every operation that the product needs of the store. */
export async function checkStore({ options }: CommandInput, { env, signal }: CommandContext): Promise<CommandResult> {
  const store = storeOf(options, env);
  const seconds = options.wholeNumber("timeout", { minimum: 1, maximum: 600 }) ?? TIMEOUT_SECONDS;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  const { steps, problems: errors } = await checkObjectStore(store, { presignSeconds: PRESIGN_SECONDS }, deadline);
  const problems = errors.map(problemOf);
  const { region, pathStyle } = store;
  const json = { store: objectStoreName(store), region, pathStyle, steps, problems };
  return { json, text: render(store, steps, problems), exitCode: problems.length === 0 ? 0 : 1 };
}

function render(store: ObjectStoreOptions, steps: readonly CheckedStep[], problems: readonly Problem[]): string {
  const rows = steps.map(({ step, result, millis }) => {
    const time = result === "skipped" ? "" : `  ${millis} ms`;
    return `${step.padEnd(9)}  ${result}${time}`;
  });
  const lines = problems.map((problem) => `Problem: ${problemLine(problem)}`);
  const blocks = [`Store      ${objectStoreName(store)}`, rows.join("\n"), lines.join("\n")];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}
