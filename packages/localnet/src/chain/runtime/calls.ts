import type { CallHandler } from "./call.ts";
import { commitTimelockedWeights, commitWeights, revealWeights } from "./commit-reveal.ts";
import { serveAxon } from "./serve-axon.ts";
import { setCommitment } from "./set-commitment.ts";
import { setMechanismWeights, setWeights } from "./set-weights.ts";

/** Every call that a signed extrinsic may make, by `section.method` in the client's spelling. */
export const CALLS: ReadonlyMap<string, CallHandler> = new Map<string, CallHandler>([
  ["system.remark", () => undefined],
  ["subtensorModule.setWeights", setWeights],
  ["subtensorModule.setMechanismWeights", setMechanismWeights],
  ["subtensorModule.commitWeights", commitWeights],
  ["subtensorModule.revealWeights", revealWeights],
  ["subtensorModule.commitTimelockedWeights", commitTimelockedWeights],
  ["subtensorModule.serveAxon", serveAxon],
  ["commitments.setCommitment", setCommitment],
]);
