import type { BlockHash } from "@assay/core/units";
import type { ExtrinsicStatus } from "@polkadot/types/interfaces";
import type { ChainSession } from "./session.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";

/** What the pool last said of an extrinsic: waiting, in a block, or no longer cared for. */
export type PoolNews =
  | { readonly kind: "ready" }
  | { readonly kind: "in_block"; readonly blockHash: BlockHash }
  | { readonly kind: "lost"; readonly why: string };

/**
 * Hands an extrinsic to the pool and passes its news on, in order, until the session ends.
 *
 * News are hints: they stop with the session and may be wrong about a fork. What counts is which final block holds
 * the extrinsic. `Retracted` means that its block was forked away: unless the pool says more, it may have lost it.
 */
export async function sendToPool(
  session: ChainSession,
  { hex }: SignedExtrinsic,
  listen: (news: PoolNews) => void,
): Promise<void> {
  await session.subscribe("author_extrinsicUpdate", "author_submitAndWatchExtrinsic", [hex], (result) => {
    const news = newsOf(session.api.registry.createType<ExtrinsicStatus>("ExtrinsicStatus", result));
    if (news !== null) listen(news);
  });
}

function newsOf(status: ExtrinsicStatus): PoolNews | null {
  switch (status.type) {
    case "Ready":
    case "Broadcast":
      return { kind: "ready" };
    case "InBlock":
      return { kind: "in_block", blockHash: status.asInBlock.toHex() };
    case "Invalid":
    case "Dropped":
    case "Usurped":
    case "FinalityTimeout":
    case "Retracted":
      return { kind: "lost", why: status.type };
    default:
      return null;
  }
}
