import type { EndCause } from "./polkadot/session-end.ts";

/** What a list of endpoints is for: following the head, or reading blocks whose state other nodes have dropped. */
export type EndpointRole = "light" | "archive";

/** Hears how the connections to the chain fare; for metrics. */
export interface ConnectionObserver {
  /** @param endpoint Host and port of the endpoint in use; null while there is none. */
  connected(role: EndpointRole, endpoint: string | null): void;
  /** A session ended, was replaced, or could not be opened. */
  ended(role: EndpointRole, cause: EndCause): void;
}

export const NO_OBSERVER: ConnectionObserver = { connected: () => undefined, ended: () => undefined };
