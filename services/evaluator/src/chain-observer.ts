import type { ConnectionObserver, EndpointRole } from "@assay/chain/connection-observer";
import type { EvaluatorMetrics } from "./metrics.ts";

/** Shows in the metrics which endpoints of the chain are in use, and why connections end. */
export function observeConnections({
  chainEndpoint,
  chainReconnects,
}: Pick<EvaluatorMetrics, "chainEndpoint" | "chainReconnects">): ConnectionObserver {
  const inUse = new Map<EndpointRole, string>();
  return {
    connected: (list, endpoint) => {
      const before = inUse.get(list);
      if (before !== undefined) chainEndpoint.remove({ list, endpoint: before });
      inUse.delete(list);
      if (endpoint === null) return;
      chainEndpoint.set({ list, endpoint }, 1);
      inUse.set(list, endpoint);
    },
    ended: (list, cause) => chainReconnects.inc({ list, cause }),
  };
}
