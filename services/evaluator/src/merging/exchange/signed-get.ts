import { randomUUID } from "node:crypto";
import { sha256Hex } from "@assay/core/hash/sha256";
import type { Voice } from "@assay/core/merging/exchange/voice";
import { requestMessageBytes } from "@assay/core/messages/request-message";
import type { BlockNumber, Hotkey } from "@assay/core/units";

/** Who asks, and the newest block, by which the other side judges how old a request is. */
export interface SignedRequests {
  readonly voice: Pick<Voice, "hotkey" | "sign">;
  readonly head: () => { readonly number: BlockNumber };
}

/** A peer whose newest block is older than ours refuses what was signed in the future: we sign for one that it has. */
const BLOCKS_BEHIND = 5;

/** Headers of one GET to a validator's model server, signed for it alone. Good once. */
export function signedGet(
  path: string,
  target: Hotkey,
  { voice, head }: SignedRequests,
): Readonly<Record<string, string>> {
  const { hotkey } = voice;
  const [blockNumber, nonce] = [Math.max(0, head().number - BLOCKS_BEHIND), randomUUID()];
  const bodySha256 = sha256Hex(new Uint8Array());
  const message = requestMessageBytes({ method: "GET", path, bodySha256, hotkey, blockNumber, nonce, target });
  return {
    "x-hotkey": hotkey,
    "x-block": String(blockNumber),
    "x-nonce": nonce,
    "x-target": target,
    "x-signature": voice.sign(message),
  };
}
