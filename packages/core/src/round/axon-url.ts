import type { Neuron } from "./snapshot.ts";

/** Where a neuron's model server answers, by what it says on chain: `http://host:port`, an IPv6 address in brackets. */
export function axonUrl({ ip, port }: NonNullable<Neuron["axon"]>): string {
  return `http://${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}
