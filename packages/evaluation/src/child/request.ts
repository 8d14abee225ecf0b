import type { EvaluationRequest } from "../evaluator.ts";

/** What the parent asks the child for. Only a measurement has a reply. */
export interface ChildRequest {
  readonly kind: "evaluate" | "prepare";
  readonly request: EvaluationRequest;
}
