import type { BlockHash } from "@assay/core/units";
import type { DispatchError, EventRecord } from "@polkadot/types/interfaces";
import type { Registry } from "@polkadot/types/types";
import type { ChainError } from "../chain-error.ts";
import { dispatchRefusal } from "../chain-refusal.ts";
import { stringPascalCase } from "./library.ts";
import type { ChainSession } from "./session.ts";
import { storageAt } from "./storage.ts";

/**
 * How the runtime dispatched one extrinsic of a block.
 *
 * @param index Position in the block's body.
 * @returns null when it succeeded, otherwise the refusal, named through that block's own metadata.
 */
export async function dispatchErrorOf(
  session: ChainSession,
  hash: BlockHash,
  index: number,
): Promise<ChainError | null> {
  const storage = await storageAt(session, hash);
  const records = (await storage.item("system", "events")()) as unknown as Iterable<EventRecord>;
  for (const { phase, event } of records) {
    if (!phase.isApplyExtrinsic || phase.asApplyExtrinsic.toNumber() !== index) continue;
    if (event.section === "system" && event.method === "ExtrinsicFailed") {
      return nameDispatchError(event.data[0] as unknown as DispatchError, storage.registry);
    }
  }
  return null;
}

function nameDispatchError(error: DispatchError, registry: Registry): ChainError {
  if (!error.isModule) return dispatchRefusal("", error.type);
  const { section, name } = registry.findMetaError(error.asModule);
  return dispatchRefusal(stringPascalCase(section), name);
}
