import type { BlockHash, Netuid } from "@assay/core/units";
import type { SiLookupTypeId } from "@polkadot/types/interfaces";
import type { Registry } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";
import { readWeightRules } from "./weight-rules.ts";

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

/** Extensions of which we know what they add to an extrinsic; of others only those that add nothing can be signed. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  "CheckSpecVersion",
  "CheckTxVersion",
  "CheckGenesis",
  "CheckEra",
  "CheckMortality",
  "CheckNonce",
  "ChargeTransactionPayment",
  "CheckMetadataHash",
]);

/** What a client asks of a runtime. */
export interface RuntimeNeeds {
  /** Whether the client also sends calls. */
  readonly signs: boolean;
  /** Subnet whose way to take weights, as it stands, must be one that the runtime has; null for none. */
  readonly netuid: Netuid | null;
}

/**
 * What the session's runtime lacks of all that a client needs, in one error; null when it has everything. What the
 * subnet's rules of this moment need is asked of the chain.
 *
 * @throws ChainError when the chain could not be asked.
 */
export async function unsupportedRuntime(session: ChainSession, needs: RuntimeNeeds): Promise<ChainError | null> {
  const { api, endpoint, specVersion } = session;
  const storage = NEEDED_STORAGE.filter(([pallet, item]) => api.query[pallet]?.[item] === undefined);
  const calls = needs.signs ? NEEDED_CALLS.filter(([pallet, call]) => api.tx[pallet]?.[call] === undefined) : [];
  const missing = [...storage, ...calls].map(([pallet, name]) => `${pallet}.${name}`);
  const unknown = needs.signs ? unknownExtensions(api).map((name) => `a meaning of the extension ${name}`) : [];
  const lacks = [...missing, ...unknown];
  if (lacks.length > 0) return notSupported({ specVersion, endpoint, missing: lacks.join(", ") });
  return needs.signs && needs.netuid !== null ? await unsupportedRules(session, needs.netuid) : null;
}

async function unsupportedRules(session: ChainSession, netuid: Netuid): Promise<ChainError | null> {
  const { endpoint, specVersion } = session;
  try {
    await readWeightRules(session, netuid, await session.request<BlockHash>("chain_getBlockHash", []));
    return null;
  } catch (error) {
    if (!(error instanceof ChainError) || error.code !== ChainErrorCode.InterfaceMismatch) throw error;
    return notSupported({ specVersion, endpoint, ...error.fields });
  }
}

function notSupported(fields: Readonly<Record<string, string | number>>): ChainError {
  return new ChainError(ChainErrorCode.InterfaceMismatch, "Not supported by this runtime", { fields });
}

/** Extensions that add bytes, to the extrinsic or to what is signed, and that we do not know. */
function unknownExtensions(api: ChainSession["api"]): readonly string[] {
  return extensionsOf(api)
    .filter(({ parts }) => !parts.every((part) => isNothing(api.registry, part)))
    .map(({ name }) => name)
    .filter((name) => !KNOWN_EXTENSIONS.has(name));
}

/** From the format that the runtime gave: converted to the newest, @polkadot/types loses what only the signature covers. */
function extensionsOf({ runtimeMetadata: metadata }: ChainSession["api"]) {
  if (metadata.version < 16) {
    return metadata.asV15.extrinsic.signedExtensions.map(({ identifier, type, additionalSigned }) => {
      return { name: identifier.toString(), parts: [type, additionalSigned] };
    });
  }
  return metadata.asV16.extrinsic.transactionExtensions.map(({ identifier, type, implicit }) => {
    return { name: identifier.toString(), parts: [type, implicit] };
  });
}

/** Whether a type takes no bytes: as its default, the shortest value, takes none. */
function isNothing(registry: Registry, type: SiLookupTypeId): boolean {
  return registry.createType(registry.createLookupType(type)).encodedLength === 0;
}
