import type { BlockHash, Hotkey, Netuid } from "@assay/core/units";
import type { HotkeyTrace } from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { blake2AsHex, hexToU8a } from "./library.ts";
import type { ChainSession } from "./session.ts";
import { field, listOf, numberOf, storageAt, valueOr } from "./storage.ts";

const PALLET = "subtensorModule";

/** What a hotkey has done on a subnet, as of one block: at most six requests. */
export async function readHotkeyTrace(
  session: ChainSession,
  { netuid, hotkey, at }: { readonly netuid: Netuid; readonly hotkey: Hotkey; readonly at: BlockHash },
): Promise<HotkeyTrace> {
  const storage = await storageAt(session, at);
  const [account, slot, commitment] = await Promise.all([
    storage.item("system", "account")(hotkey),
    storage.item(PALLET, "uids")(netuid, hotkey),
    storage.item("commitments", "commitmentOf")(netuid, hotkey),
  ]);
  const nonce = numberOf(field(account, "nonce"));
  const committedAt = valueOr(commitment, (registration) => numberOf(field(registration, "block")), null);
  const uid = valueOr(slot, numberOf, null);
  if (uid === null) return { nonce, lastUpdate: null, registeredAt: null, committedAt };
  const [updates, registered] = await Promise.all([
    storage.item(PALLET, "lastUpdate")(netuid),
    storage.optionalItem(PALLET, "blockAtRegistration")?.(netuid, uid),
  ]);
  const registeredAt = valueOr(registered, numberOf, 0);
  return { nonce, lastUpdate: valueOr(listOf(updates)[uid], numberOf, 0), registeredAt, committedAt };
}

/** Hashes of the extrinsics in a block's body, as whoever sent one knows it. */
export async function readExtrinsicHashes(session: ChainSession, at: BlockHash): Promise<readonly string[]> {
  type Body = { readonly block: { readonly extrinsics: readonly string[] } };
  const body = await session.request<Body | null>("chain_getBlock", [at]);
  if (body !== null) return body.block.extrinsics.map((hex) => blake2AsHex(hexToU8a(hex), 256));
  throw new ChainError(ChainErrorCode.BlockUnknown, "The endpoint lacks a block", {
    retryable: true,
    fields: { hash: at },
  });
}
