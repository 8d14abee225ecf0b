import { isIP } from "node:net";

/**
 * What one client is counted by: an IPv4 address, or the /64 of an IPv6 address.
 *
 * One customer usually has a whole /64, so counting single IPv6 addresses would count nothing. An IPv4 address in IPv6
 * clothes (`::ffff:192.0.2.1`, as a socket for both has it) is the IPv4 address.
 *
 * @param address as a socket or a proxy names it; text that is no address is counted as `unknown`.
 */
export function clientNetwork(address: string | undefined): string {
  const [bare = ""] = (address ?? "").split("%"); // a link-local address names its interface
  switch (isIP(bare)) {
    case 4:
      return bare;
    case 6:
      return networkOf(groupsOf(bare));
    default:
      return "unknown";
  }
}

function networkOf(groups: readonly number[]): string {
  const [high = 0, low = 0] = groups.slice(6);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

/** The eight groups of an IPv6 address; the URL parser knows every way to write one. */
function groupsOf(address: string): readonly number[] {
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = written.split("::");
  const before = numbersOf(head);
  const after = tail === undefined ? [] : numbersOf(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function numbersOf(text: string): readonly number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
