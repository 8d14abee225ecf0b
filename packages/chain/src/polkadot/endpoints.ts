import { Breaker, type BreakerOptions } from "./breaker.ts";
import { hostOf } from "./session.ts";

const PAUSES: BreakerOptions = { firstPauseMillis: 200, lastPauseMillis: 30_000, random: Math.random };

/** One node's address, and how it has done so far. */
export interface Endpoint {
  readonly address: string;
  /** Host and port, for people. */
  readonly host: string;
  readonly breaker: Breaker;
  /** Whether the log has said that it is away, so that only a change is said. */
  reportedDown: boolean;
}

/** Nodes of one chain in the order in which an operator wants them used. */
export class EndpointList {
  readonly #endpoints: readonly Endpoint[];

  /** @throws RangeError without any address. */
  constructor(addresses: readonly string[], pauses: BreakerOptions = PAUSES) {
    if (addresses.length === 0) throw new RangeError("A chain connection needs at least one endpoint");
    this.#endpoints = addresses.map((address) => ({
      address,
      host: hostOf(address),
      breaker: new Breaker(pauses),
      reportedDown: false,
    }));
  }

  /** The endpoint to try next and when: the first that may be tried now, else the one that may be tried soonest. */
  next(now: number): { readonly endpoint: Endpoint; readonly waitMillis: number } {
    const [soonest] = this.#endpoints
      .map((endpoint) => ({ endpoint, waitMillis: Math.max(0, endpoint.breaker.trialAt - now) }))
      .sort((a, b) => a.waitMillis - b.waitMillis);
    if (soonest === undefined) throw new RangeError("A chain connection needs at least one endpoint");
    return soonest;
  }

  /** Endpoints that come before this one and may be tried now. */
  preferredTo(endpoint: Endpoint, now: number): readonly Endpoint[] {
    const preferred = this.#endpoints.slice(0, this.#endpoints.indexOf(endpoint));
    return preferred.filter(({ breaker }) => breaker.trialAt <= now);
  }
}
