import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { isPublicAddress } from "./public-address.ts";

test.each([
  "1.1.1.1",
  "172.15.255.255",
  "172.32.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "169.253.0.1",
  "223.255.255.254",
  "2606:4700:4700::1111",
  "2a00:1450:4001:80e::200e",
])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each(["", "localhost", "1.1.1", "01.1.1.1", "2001:db8::1", "3fff::1", "::ffff:1.1.1.1", "fe80::1%eth0"])(
  "%j is not public",
  (address) => {
    expect(isPublicAddress(address)).toBe(false);
  },
);

/** Uniform addresses are nearly all public, so most begin like a special one. */
const ipv4 = fc.tuple(
  fc.oneof(fc.constantFrom(0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 224, 240, 255), fc.nat({ max: 255 })),
  fc.oneof(fc.constantFrom(0, 16, 18, 31, 51, 52, 63, 64, 88, 168, 175, 254), fc.nat({ max: 255 })),
  fc.nat({ max: 255 }),
  fc.nat({ max: 255 }),
);
const ipv6 = fc.tuple(
  fc.oneof(fc.constantFrom(0, 0x64, 0x100, 0x2001, 0x2002, 0x2620, 0x3fff, 0xfc00, 0xfe80, 0xff02), fc.nat(0xffff)),
  fc.oneof(fc.constantFrom(0, 1, 2, 4, 0x10, 0x20, 0x30, 0xdb8, 0x4f, 0xff9b), fc.nat(0xffff)),
  fc.array(fc.nat(0xffff), { minLength: 6, maxLength: 6 }),
);

test("no address is public that another library finds special", { timeout: 60_000 }, () => {
  const texts = fc.oneof(
    ipv4.map((bytes) => bytes.join(".")),
    ipv6.map(([first, second, rest]) => [first, second, ...rest].map((part) => part.toString(16)).join(":")),
  );
  let open = 0;
  fc.assert(
    fc.property(texts, (text) => {
      if (!isPublicAddress(text)) return;
      open += 1;
      expect([text, ipaddr.parse(text).range()]).toEqual([text, "unicast"]);
    }),
    { numRuns: 20_000, seed: 7 },
  );
  expect(open).toBeGreaterThan(2_000);
});
