import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { isPublicAddress } from "./public-address.ts";

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
  /** Lets loopback, private networks and every port through: for a subnet on one machine, never in production. */
  readonly allowPrivateAddresses: boolean;
  /** Single addresses that are let through on every port although they are not public: a test's own server. */
  readonly allowedAddresses?: readonly string[];
  readonly resolve?: ResolveHost;
  /** Addresses that lead back to this machine; those of its network interfaces unless given. */
  readonly ownAddresses?: () => ReadonlySet<string>;
}

/**
 * Judges a stranger's URL before anything connects to it: form, port, and every address of its host.
 *
 * The URL parser has already turned decimal, octal and hexadecimal hosts into addresses. One forbidden address among
 * several forbids the host, and so does one of this machine's own, where a packet would pass no firewall. A name that
 * does not resolve is thrown: nobody can say whose fault that is.
 */
export async function guardAddress(text: string, options: AddressGuardOptions): Promise<AddressVerdict> {
  const url = parseUrl(text);
  if (typeof url === "string") return { kind: "refused", reason: "url_invalid", detail: url };
  const addresses = await addressesOf(url.hostname, options.resolve ?? resolveHost);
  const detail = addressFault(url, addresses, options);
  return detail === null
    ? { kind: "allowed", url, addresses }
    : { kind: "refused", reason: "address_forbidden", detail };
}

const MAX_URL_LENGTH = 2048;
/** Below this, ports belong to services that are no web servers, and are asked in vain or to do harm. */
const FIRST_FREE_PORT = 1024;

/** The URL, or what is wrong with it whatever its host is, without repeating it. */
function parseUrl(text: string): URL | string {
  const url = text.length <= MAX_URL_LENGTH ? URL.parse(text) : null;
  if (url === null) return "not a URL";
  if (url.protocol !== "http:" && url.protocol !== "https:") return "neither http nor https";
  if (url.username !== "" || url.password !== "") return "carries credentials";
  return url;
}

function addressFault(
  { hostname, port }: URL,
  addresses: readonly ResolvedAddress[],
  { allowPrivateAddresses, allowedAddresses = [], ownAddresses = interfaceAddresses }: AddressGuardOptions,
): string | null {
  const strange = addresses.filter(({ address }) => !allowedAddresses.includes(address));
  if (allowPrivateAddresses || (addresses.length > 0 && strange.length === 0)) return null;
  const inner = strange.find(({ address }) => !isPublicAddress(address));
  if (inner !== undefined) return `${hostname} is at ${inner.address}, which is not a public address`;
  const own = ownAddresses();
  if (strange.some(({ address }) => own.has(address))) return `${hostname} is this machine`;
  // An absent port is the scheme's, 80 or 443; the parser leaves 443 of http: and 80 of https: as they are.
  const isWeb = port === "" || port === "80" || port === "443";
  return isWeb || Number(port) >= FIRST_FREE_PORT ? null : `port ${port} is no web server's`;
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

function interfaceAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(all.map(({ address }) => address));
}
