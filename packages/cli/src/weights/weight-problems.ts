import { WEIGHT_OBSTACLES, type WeightObstacle } from "@assay/core/weights/obstacles";
import type { Problem } from "../operator/problem.ts";

/** What stands in the way of weights, as part of an answer: by the codes under which the validator notes it. */
export function weightProblems(obstacles: readonly WeightObstacle[]): readonly Problem[] {
  return obstacles.map(({ code, fields }) => ({ code, message: WEIGHT_OBSTACLES[code], fields }));
}
