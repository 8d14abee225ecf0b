import type { EvaluationRequest } from "./evaluator.ts";

/** Names the base model that was loaded: what is kept of it is good for no other. */
export function baseKey({ directory, content = "" }: EvaluationRequest["base"]): string {
  return `${directory}\n${content}`;
}
