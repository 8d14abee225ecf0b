import type { Axon } from "@assay/core/round/snapshot";
import type { Codec } from "@polkadot/types/types";
import { decodeIp } from "../ip-address.ts";
import { bigintOf, numberOf } from "./storage.ts";

/** Where a neuron says it listens; null for the entry of one that never served, which is zeros or nothing. */
export function axonOf(stored: Codec): Axon | null {
  const { ip, port, ipType } = stored as Codec & Partial<Record<"ip" | "port" | "ipType", Codec>>;
  if (ip === undefined || port === undefined || ipType === undefined) return null;
  if (ip.isEmpty || port.isEmpty) return null;
  const address = decodeIp(numberOf(ipType), bigintOf(ip));
  return address === null ? null : { ip: address, port: numberOf(port) };
}
