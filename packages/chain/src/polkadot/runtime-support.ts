import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";

/** Storage without which nothing can be planned, by pallet and item. */
const NEEDED_STORAGE = [
  ["subtensorModule", "networksAdded"],
  ["subtensorModule", "keys"],
  ["subtensorModule", "owner"],
  ["subtensorModule", "axons"],
  ["subtensorModule", "validatorPermit"],
  ["subtensorModule", "lastUpdate"],
  ["subtensorModule", "weights"],
  ["subtensorModule", "tempo"],
  ["subtensorModule", "weightsSetRateLimit"],
  ["subtensorModule", "weightsVersionKey"],
  ["subtensorModule", "minAllowedWeights"],
  ["commitments", "commitmentOf"],
] as const;

/** Calls that every validator sends; those of a special way to set weights are looked for when that way is used. */
const NEEDED_CALLS = [
  ["subtensorModule", "setWeights"],
  ["commitments", "setCommitment"],
] as const;

/**
 * What the session's runtime lacks of all that a client needs, in one error; null when it has everything.
 *
 * @param options.signs Whether the client also sends calls.
 */
export function unsupportedRuntime(
  { api, endpoint, specVersion }: Pick<ChainSession, "api" | "endpoint" | "specVersion">,
  { signs }: { readonly signs: boolean },
): ChainError | null {
  const storage = NEEDED_STORAGE.filter(([pallet, item]) => api.query[pallet]?.[item] === undefined);
  const calls = signs ? NEEDED_CALLS.filter(([pallet, call]) => api.tx[pallet]?.[call] === undefined) : [];
  const missing = [...storage, ...calls].map(([pallet, name]) => `${pallet}.${name}`);
  if (missing.length === 0) return null;
  return new ChainError(ChainErrorCode.InterfaceMismatch, "Not supported by this runtime", {
    fields: { specVersion, endpoint, missing: missing.join(", ") },
  });
}
