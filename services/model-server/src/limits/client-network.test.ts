import { describe, expect, test } from "vitest";
import { clientNetwork } from "./client-network.ts";

describe("a client is counted", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["1::", "1:0:0:0::/64"],
  ])("%s as %s", (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });

  test.each([undefined, "", "unix", "192.0.2.300", "2001:db8::1::2"])("%s as unknown", (address) => {
    expect(clientNetwork(address)).toBe("unknown");
  });
});
