import { isIPv4, isIPv6 } from "node:net";

/** An address as the chain stores it: a number and the version of the protocol it belongs to. */
export interface StoredIp {
  readonly type: 4 | 6;
  readonly value: bigint;
}

/**
 * Reads an IPv4 or IPv6 address in text form (also `::ffff:192.0.2.1`), without zone.
 *
 * @returns null when the text is neither.
 */
export function encodeIp(ip: string): StoredIp | null {
  if (isIPv4(ip)) return { type: 4, value: joinNumbers(ip.split(".").map(Number), 8n) };
  if (!isIPv6(ip) || ip.includes("%")) return null;
  const [head = "", tail] = withoutEmbeddedIpv4(ip).split("::");
  const left = groups(head);
  if (tail === undefined) return { type: 6, value: joinNumbers(left, 16n) };
  const right = groups(tail);
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  return { type: 6, value: joinNumbers([...left, ...zeros, ...right], 16n) };
}

const BITS = { 4: 32n, 6: 128n } as const;
/** 127.0.0.1 and ::1, of which the chain refuses each by its number; the rest of 127.0.0.0/8 it takes. */
const LOOPBACK = { 4: 0x7f00_0001n, 6: 1n } as const;

/**
 * Whether `serve_axon` takes an address: all but 127.0.0.1, ::1 and the highest of each protocol. The unspecified one,
 * which the chain takes too, is none at which anybody could be reached.
 */
export function isServableIp(ip: string): boolean {
  const stored = encodeIp(ip);
  if (stored === null) return false;
  const { type, value } = stored;
  return value !== 0n && value !== LOOPBACK[type] && value !== (1n << BITS[type]) - 1n;
}

/** Whether two texts name one address, however they are written. */
export function isSameIp(one: string, other: string): boolean {
  const [a, b] = [encodeIp(one), encodeIp(other)];
  return a !== null && b !== null && a.type === b.type && a.value === b.value;
}

/** Writes a stored address as text; IPv6 in full, without `::`. Returns null for another protocol version. */
export function decodeIp(type: number, value: bigint): string | null {
  if (type === 4) return splitNumber(value, 4, 8n).join(".");
  if (type !== 6) return null;
  return splitNumber(value, 8, 16n)
    .map((group) => group.toString(16))
    .join(":");
}

function withoutEmbeddedIpv4(ip: string): string {
  const start = ip.lastIndexOf(":") + 1;
  const last = ip.slice(start);
  if (!isIPv4(last)) return ip;
  const [a = 0, b = 0, c = 0, d = 0] = last.split(".").map(Number);
  return `${ip.slice(0, start)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function joinNumbers(numbers: readonly number[], bits: bigint): bigint {
  return numbers.reduce((value, number) => (value << bits) | BigInt(number), 0n);
}

function splitNumber(value: bigint, count: number, bits: bigint): number[] {
  const mask = (1n << bits) - 1n;
  return Array.from({ length: count }, (_, index) => Number((value >> (bits * BigInt(count - 1 - index))) & mask));
}
