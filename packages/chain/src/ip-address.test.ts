import { expect, test } from "vitest";
import { decodeIp, encodeIp, isSameIp, isServableIp } from "./ip-address.ts";

test.each([
  ["8.8.8.8", { type: 4, value: 134_744_072n }],
  ["255.255.255.255", { type: 4, value: 4_294_967_295n }],
  ["::1", { type: 6, value: 1n }],
  ["2001:db8::7", { type: 6, value: 0x20010db8_0000_0000_0000_0000_0000_0007n }],
  ["::ffff:192.0.2.1", { type: 6, value: 0xffff_c000_0201n }],
  ["::", { type: 6, value: 0n }],
])("%s is stored as a number", (text, stored) => {
  expect(encodeIp(text)).toEqual(stored);
});

test.each(["", "example.com", "1.2.3", "1.2.3.256", "fe80::1%eth0", ":::"])("%j is no address", (text) => {
  expect(encodeIp(text)).toBeNull();
});

test("stored numbers become text again; unknown versions become nothing", () => {
  expect(decodeIp(4, 134_744_072n)).toBe("8.8.8.8");
  expect(decodeIp(6, 0x20010db8_0000_0000_0000_0000_0000_0007n)).toBe("2001:db8:0:0:0:0:0:7");
  expect(decodeIp(5, 1n)).toBeNull();
});

test.each([
  ["203.0.113.7", true],
  ["127.0.0.2", true],
  ["2001:db8::7", true],
  ["127.0.0.1", false],
  ["255.255.255.255", false],
  ["0.0.0.0", false],
  ["::1", false],
  ["0:0:0:0:0:0:0:1", false],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["::", false],
  ["validator.example", false],
])("%s can be served: %s", (ip, servable) => {
  expect(isServableIp(ip)).toBe(servable);
});

test.each([
  ["2001:db8::7", "2001:DB8:0:0:0:0:0:7", true],
  ["203.0.113.7", "203.0.113.7", true],
  ["203.0.113.7", "203.0.113.8", false],
  ["203.0.113.7", "::ffff:203.0.113.7", false],
  ["validator.example", "validator.example", false],
])("%s and %s are one address: %s", (one, other, same) => {
  expect(isSameIp(one, other)).toBe(same);
});
