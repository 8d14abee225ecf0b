import type { Axon } from "@assay/core/round/snapshot";
import { isSameIp } from "./ip-address.ts";

/**
 * Where an operator wants the model server to be found: `ip` and `port` of `axon`, the port 0 standing for the one that
 * the server listens on. Null where nothing is to be put on chain.
 */
export function configuredAxon({ ip, port }: Axon, serverPort: number): Axon | null {
  return ip === "" ? null : { ip, port: port === 0 ? serverPort : port };
}

/** Whether two say the same place, however the addresses are written. */
export function isSameAxon(one: Axon | null, other: Axon | null): boolean {
  if (one === null || other === null) return one === other;
  return one.port === other.port && isSameIp(one.ip, other.ip);
}
