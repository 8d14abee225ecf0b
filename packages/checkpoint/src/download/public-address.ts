import { BlockList, isIP } from "node:net";

/**
 * Whether an address is on the public internet: not loopback, private, link-local, shared, multicast, reserved, a
 * cloud's metadata service, nor an IPv6 form that carries an IPv4 address.
 *
 * @see IANA special-purpose address registries (RFC 6890 and its updates)
 */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !FORBIDDEN.check(address, "ipv4");
  if (family === 6) return GLOBAL_UNICAST.check(address, "ipv6") && !FORBIDDEN.check(address, "ipv6");
  return false;
}

const FORBIDDEN_IPV4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
/** Within global unicast: protocol assignments with Teredo, documentation, 6to4, AS112. */
const FORBIDDEN_IPV6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
];

/** Everything else of IPv6 is refused: loopback, mapped and translated IPv4, local, link-local, multicast. */
const GLOBAL_UNICAST = new BlockList();
GLOBAL_UNICAST.addSubnet("2000::", 3, "ipv6");
const FORBIDDEN = new BlockList();
for (const [network, prefix] of FORBIDDEN_IPV4) FORBIDDEN.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of FORBIDDEN_IPV6) FORBIDDEN.addSubnet(network, prefix, "ipv6");
