import type { Neuron } from "./snapshot.ts";

/**
 * Where a neuron's model server answers, by what it says on chain: `http://host:port`, an IPv6 address in brackets. With
 * port 443, where nobody speaks plain HTTP, `https://host`: the chain has no place for more. Null when it says nothing, or
 * takes it back with port 0.
 */
export function axonUrl({ axon }: Pick<Neuron, "axon">): string | null {
  if (axon === null || axon.port === 0) return null;
  const host = axon.ip.includes(":") ? `[${axon.ip}]` : axon.ip;
  return axon.port === HTTPS_PORT ? `https://${host}` : `http://${host}:${axon.port}`;
}

const HTTPS_PORT = 443;
