import type { Block } from "../blocks/block.ts";
import type { Chain } from "../chain.ts";
import type { Params } from "./params.ts";

export interface SubscriptionKind {
  /** Name of the notifications. */
  readonly notification: string;
  /** Methods that end it. */
  readonly endedBy: readonly string[];
  /** Begins to push; the returned function ends it. */
  start(params: Params, push: (result: unknown) => void): () => void;
}

/** Every method that answers again and again, by its name. */
export function rpcSubscriptions(chain: Chain): ReadonlyMap<string, SubscriptionKind> {
  const newHeads = heads(chain, "onHead", "chain_newHead", ["chain_unsubscribeNewHead", "chain_unsubscribeNewHeads"]);
  return new Map<string, SubscriptionKind>([
    ["chain_subscribeNewHeads", newHeads],
    ["chain_subscribeNewHead", newHeads],
    ["chain_subscribeAllHeads", heads(chain, "onBlock", "chain_allHead", ["chain_unsubscribeAllHeads"])],
    ["chain_subscribeFinalizedHeads", finalizedHeads(chain)],
    ["state_subscribeRuntimeVersion", runtimeVersion(chain)],
    ["state_subscribeStorage", storage(chain)],
    ["author_submitAndWatchExtrinsic", watchedExtrinsic(chain)],
  ]);
}

function heads(
  chain: Chain,
  kind: "onHead" | "onBlock",
  notification: string,
  endedBy: readonly string[],
): SubscriptionKind {
  return {
    notification,
    endedBy,
    start(_params, push) {
      push(chain.head.header);
      return chain.listen({ [kind]: ({ header }: Block) => push(header) });
    },
  };
}

function finalizedHeads(chain: Chain): SubscriptionKind {
  return {
    notification: "chain_finalizedHead",
    endedBy: ["chain_unsubscribeFinalizedHeads"],
    start(_params, push) {
      push(chain.finalized.header);
      return chain.listen({ onFinalized: ({ header }) => push(header) });
    },
  };
}

function runtimeVersion(chain: Chain): SubscriptionKind {
  return {
    notification: "state_runtimeVersion",
    endedBy: ["state_unsubscribeRuntimeVersion"],
    start(_params, push) {
      push(chain.runtimeVersion);
      return chain.listen({ onRuntime: push });
    },
  };
}

function storage(chain: Chain): SubscriptionKind {
  return {
    notification: "state_storage",
    endedBy: ["state_unsubscribeStorage"],
    start(params, push) {
      const head = chain.stateAt(null);
      const seen = new Map(params.strings(0).map((key) => [key, head.get(key)]));
      push({ block: head.block.hash, changes: [...seen] });
      return chain.listen({
        onHead: (block) => {
          const state = chain.stateAt(block.hash);
          const changes = [...seen].flatMap(([key, before]) => {
            const value = state.get(key);
            return value === before ? [] : [[key, value] as const];
          });
          for (const [key, value] of changes) seen.set(key, value);
          if (changes.length > 0) push({ block: block.hash, changes });
        },
      });
    },
  };
}

function watchedExtrinsic(chain: Chain): SubscriptionKind {
  return {
    notification: "author_extrinsicUpdate",
    endedBy: ["author_unwatchExtrinsic"],
    start(params, push) {
      let isWatched = true;
      chain.admission.submit(params.at(0), (status) => {
        if (isWatched) push(status);
      });
      return () => {
        isWatched = false;
      };
    },
  };
}
