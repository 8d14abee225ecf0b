import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";

/** One address of a host, as the resolver gives it. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Every address of a host name; rejects when it has none. */
export type ResolveHost = (host: string) => Promise<readonly ResolvedAddress[]>;

/** Whether a URL may be fetched. `addresses` are the ones to connect to: resolving again could give others. */
export type AddressVerdict =
  | { readonly kind: "allowed"; readonly url: URL; readonly addresses: readonly ResolvedAddress[] }
  | { readonly kind: "refused"; readonly reason: "url_invalid" | "address_forbidden"; readonly detail: string };

export interface AddressGuardOptions {
  /** Lets loopback and private networks through: for a subnet on one machine, never in production. */
  readonly allowPrivateAddresses: boolean;
  readonly resolve?: ResolveHost;
}

/**
 * Judges a stranger's URL before anything connects to it: scheme, credentials, and every address of its host.
 *
 * The URL parser has already turned decimal, octal and hexadecimal hosts into addresses. One forbidden address among
 * several forbids the host. A name that does not resolve is thrown: nobody can say whose fault that is.
 */
export async function guardAddress(text: string, options: AddressGuardOptions): Promise<AddressVerdict> {
  const url = text.length <= MAX_URL_LENGTH ? URL.parse(text) : null;
  if (url === null) return { kind: "refused", reason: "url_invalid", detail: "not a URL" };
  const fault = urlFault(url);
  if (fault !== null) return { kind: "refused", reason: "url_invalid", detail: fault };
  const addresses = await addressesOf(url.hostname, options.resolve ?? resolveHost);
  const forbidden = addresses.find(({ address }) => !isPublicAddress(address));
  if (forbidden !== undefined && !options.allowPrivateAddresses) {
    const detail = `${url.hostname} is at ${forbidden.address}, which is not a public address`;
    return { kind: "refused", reason: "address_forbidden", detail };
  }
  return { kind: "allowed", url, addresses };
}

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

const MAX_URL_LENGTH = 2048;

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
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
/** Within global unicast: protocol assignments with Teredo, documentation, 6to4. */
const FORBIDDEN_IPV6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const GLOBAL_UNICAST = new BlockList();
GLOBAL_UNICAST.addSubnet("2000::", 3, "ipv6");
const FORBIDDEN = new BlockList();
for (const [network, prefix] of FORBIDDEN_IPV4) FORBIDDEN.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of FORBIDDEN_IPV6) FORBIDDEN.addSubnet(network, prefix, "ipv6");

function urlFault(url: URL): string | null {
  if (url.protocol !== "http:" && url.protocol !== "https:") return "neither http nor https";
  if (url.username !== "" || url.password !== "") return "carries credentials";
  return null;
}

async function addressesOf(hostname: string, resolve: ResolveHost): Promise<readonly ResolvedAddress[]> {
  const literal = hostname.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(literal);
  if (family === 4 || family === 6) return [{ address: literal, family }];
  return await resolve(hostname);
}

async function resolveHost(host: string): Promise<readonly ResolvedAddress[]> {
  const addresses = await lookup(host, { all: true });
  return addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}
