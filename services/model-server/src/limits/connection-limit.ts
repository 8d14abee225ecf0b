import type { Socket } from "node:net";
import type { ModelServerMetrics } from "../metrics.ts";
import { clientNetwork } from "./client-network.ts";
import { Tally } from "./tally.ts";

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxPerNetwork: number;
  /** Whether a peer is a proxy of ours, which brings the connections of many. */
  readonly isTrustedProxy: (address: string) => boolean;
}

/**
 * Ends connections beyond so many in all and per network, before a byte of them is read.
 *
 * Connections cost memory and a descriptor even when they ask for nothing.
 */
export class ConnectionLimit {
  readonly #metrics: Pick<ModelServerMetrics, "connectionsRefused">;
  readonly #limits: ConnectionLimits;
  readonly #open = new Tally();
  #total = 0;

  constructor(metrics: Pick<ModelServerMetrics, "connectionsRefused">, limits: ConnectionLimits) {
    this.#metrics = metrics;
    this.#limits = limits;
  }

  admit(socket: Socket): void {
    const address = socket.remoteAddress;
    const isProxy = address !== undefined && this.#limits.isTrustedProxy(address);
    const network = clientNetwork(address);
    const isOver = !isProxy && this.#open.of(network) >= this.#limits.maxPerNetwork;
    if (isOver || this.#total >= this.#limits.maxConnections) {
      this.#metrics.connectionsRefused.inc({ limit: isOver ? "address" : "total" });
      socket.destroy();
      return;
    }
    this.#total += 1;
    this.#open.add([network], 1);
    socket.once("close", () => {
      this.#total -= 1;
      this.#open.add([network], -1);
    });
  }
}
