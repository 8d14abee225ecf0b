import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient } from "@assay/chain/chain-client";
import { verifySignature } from "@assay/chain/verify-signature";
import { parseCommitment } from "@assay/core/commitment/payload";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import type { ChainCommitment } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey, Netuid, Sha256Hex } from "@assay/core/units";

/** A file, and the hotkey that will commit it too. */
export interface Copy {
  readonly netuid: Netuid;
  readonly hotkey: Hotkey;
  readonly hash: Sha256Hex;
  /** First block in which the original may be committed. */
  readonly since: BlockNumber;
}

/** Resolves once another hotkey's signature over the file's hash is on chain: whoever commits now is the second. */
export async function boundByAnother(
  chain: Pick<ChainClient, "head" | "onHead" | "commitments">,
  { netuid, hotkey, hash, since }: Copy,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const head = chain.head();
    const commitments = await chain.commitments(netuid, head.hash);
    const others = commitments.filter((each) => each.hotkey !== hotkey && each.block >= since);
    if (others.some((each) => isBound(each, hash))) return;
    await blockReached(chain, head.number + 1, signal);
  }
}

function isBound({ hotkey, bytes }: ChainCommitment, hash: Sha256Hex): boolean {
  const parsed = parseCommitment(bytes);
  const signature = parsed.ok && parsed.value.signature !== undefined ? decodeBase64Url(parsed.value.signature) : null;
  return signature !== null && verifySignature(committedHashMessage(hash), signature, hotkey);
}
