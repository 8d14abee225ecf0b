import type { BlockHash } from "@assay/core/units";
import type { ExtrinsicStatus } from "@polkadot/types/interfaces";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { type PoolNumbering, poolRefusal } from "../chain-refusal.ts";
import type { ChainSession } from "./session.ts";
import type { SignedExtrinsic } from "./signed-extrinsic.ts";

/** What the pool last said of an extrinsic: waiting, in a block, or no longer cared for. */
export type PoolNews =
  | { readonly kind: "ready" }
  | { readonly kind: "in_block"; readonly blockHash: BlockHash }
  | { readonly kind: "lost"; readonly why: string };

/**
 * What a pool's refusal means for one signed extrinsic.
 *
 * - `held` (1013, already imported): the pool has these very bytes, which is as good as taking them.
 * - `nonce` (`outdated`, `future` as an error, 1014 priority too low): the nonce is used up, or another extrinsic of the
 *   key waits with it. No tip is raised to outbid it, as it may be our own from before a restart: the next try asks the
 *   chain for its next nonce. Of bytes that a pool took before, it can also mean that a block holds them.
 * - `signature` (bad signature, ancient birth block): no block takes these bytes now. A block may have taken them before,
 *   as a signature gets bad once its era is over.
 * - `banned` (1012): the pool refuses to look at these bytes for some time, half an hour in Substrate, as it dropped them
 *   once or saw them in a block. The same call with the same nonce and another signature is looked at: only one lands.
 * - `full` (1016 immediately dropped, exhausted resources): no room now; the same bytes are tried again in the next block.
 * - `refused`: the call itself is not acceptable (`Custom error: N`, a fee that cannot be paid, …).
 */
export type PoolMeaning = "held" | "nonce" | "signature" | "banned" | "full" | "refused";

const MEANINGS: ReadonlyMap<string, PoolMeaning> = new Map<string, PoolMeaning>([
  [ChainErrorCode.NonceConflict, "nonce"],
  [ChainErrorCode.BadSignature, "signature"],
  [ChainErrorCode.ExtrinsicBanned, "banned"],
  [ChainErrorCode.PoolFull, "full"],
]);

const ALREADY_IMPORTED = 1013;
const PALLET = "subtensorModule";
/** A storage item that runtimes have since subnets have tokens. */
const TOKENS_MARK = "stakeThreshold";

export function poolMeaning({ code, fields }: ChainError): PoolMeaning {
  const { rpcCode } = fields;
  return rpcCode === ALREADY_IMPORTED ? "held" : (MEANINGS.get(code) ?? "refused");
}

/**
 * Hands an extrinsic to the pool and passes its news on, in order, until the session ends.
 *
 * News are hints: they stop with the session and may be wrong about a fork. What counts is which final block holds
 * the extrinsic. `Retracted` means that its block was forked away: unless the pool says more, it may have lost it.
 * `Usurped` means that another extrinsic of the key outbid it, so it is as lost as one that was dropped. `Future` means
 * that a smaller nonce is missing: the next call of the key fills the gap, or the era ends and the call is signed anew.
 *
 * @throws ChainError with the code that the session's runtime means.
 */
export async function sendToPool(
  session: ChainSession,
  { hex }: SignedExtrinsic,
  listen: (news: PoolNews) => void,
): Promise<void> {
  try {
    await session.subscribe("author_extrinsicUpdate", "author_submitAndWatchExtrinsic", [hex], (result) => {
      const news = newsOf(session.api.registry.createType<ExtrinsicStatus>("ExtrinsicStatus", result));
      if (news !== null) listen(news);
    });
  } catch (error) {
    throw error instanceof ChainError ? inRuntimesWords(error, poolNumbering(session)) : error;
  }
}

/** How the session's runtime numbers its pool's refusals. One list came with the tokens of subnets. */
function poolNumbering({ api }: Pick<ChainSession, "api">): PoolNumbering {
  return api.query[PALLET]?.[TOKENS_MARK] === undefined ? "by_call" : "by_reason";
}

function inRuntimesWords(error: ChainError, numbering: PoolNumbering): ChainError {
  const { rpcCode, detail } = error.fields;
  if (numbering === "by_reason" || typeof rpcCode !== "number" || typeof detail !== "string") return error;
  return error.code === ChainErrorCode.RequestFailed ? error : poolRefusal(rpcCode, detail, numbering);
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
