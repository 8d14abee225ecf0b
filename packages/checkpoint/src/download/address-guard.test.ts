import { expect, test } from "vitest";
import { type AddressGuardOptions, guardAddress, type ResolvedAddress } from "./address-guard.ts";

const strict: AddressGuardOptions = { allowPrivateAddresses: false };

/** A resolver that knows one host. */
const at =
  (...addresses: readonly string[]) =>
  async (): Promise<readonly ResolvedAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

test.each([
  "http://127.0.0.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://127.0.0.1./",
  "http://0x7f.1/",
  "http://017700000001/",
  "http://127.0.0.1%2e/",
  "http://0/",
  "http://0.1.2.3/",
  "http://10.1.2.3/",
  "http://172.31.255.255/",
  "http://192.168.0.1/",
  "http://100.64.0.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://2852039166/latest/meta-data/",
  "http://168.63.129.16/",
  "http://172.16.0.1/",
  "http://192.0.0.192/",
  "http://192.0.2.1/",
  "http://192.88.99.1/",
  "http://198.18.0.1/",
  "http://198.51.100.1/",
  "http://203.0.113.1/",
  "http://224.0.0.1/",
  "http://239.255.255.250/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[::ffff:1.1.1.1]/",
  "http://[::ffff:0:127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::101:101]/",
  "http://[64:ff9b:1::a00:1]/",
  "http://[100::1]/",
  "http://[2002:7f00:1::]/",
  "http://[2002:a00:1::1]/",
  "http://[2001:0:7f00:1::]/",
  "http://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/",
  "http://[2001:10::1]/",
  "http://[2001:db8::1]/",
  "http://[3fff::1]/",
  "http://[4000::1]/",
  "http://[fe80::1]/",
  "http://[febf::1]/",
  "http://[fec0::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[ff02::1]/",
  "http://①②⑦.0.0.1/",
])("%s leads inside and is refused", async (url) => {
  expect(await guardAddress(url, strict)).toMatchObject({ kind: "refused", reason: "address_forbidden" });
});

test.each([
  "",
  "not a url",
  "ftp://1.1.1.1/",
  "file:///etc/passwd",
  "gopher://1.1.1.1/",
  "data:text/plain,x",
  "//1.1.1.1/",
  "ws://1.1.1.1/",
  "http://[fe80::1%25eth0]/",
  "http://[fe80::1%eth0]/",
  "http://:secret@1.1.1.1/",
  "http://user:secret@1.1.1.1/",
  "https://user@1.1.1.1/",
  "http://",
  "http://1.1.1.1:99999/",
  `http://1.1.1.1/${"x".repeat(2048)}`,
])("%s is not a URL to fetch", async (url) => {
  expect(await guardAddress(url, strict)).toMatchObject({ kind: "refused", reason: "url_invalid" });
});

test("what is wrong with a URL is said without repeating it", async () => {
  const url = "https://miner:hunter2@1.1.1.1/file?X-Amz-Signature=hunter2";
  expect(await guardAddress(url, strict)).toEqual({
    kind: "refused",
    reason: "url_invalid",
    detail: "carries credentials",
  });
});

test.each([
  ["http://1.1.1.1/", "allowed"],
  ["https://1.1.1.1:443/", "allowed"],
  ["http://1.1.1.1:443/", "allowed"],
  ["http://1.1.1.1:1024/", "allowed"],
  ["http://1.1.1.1:65535/", "allowed"],
  ["http://1.1.1.1:0/", "refused"],
  ["http://1.1.1.1:22/", "refused"],
  ["http://1.1.1.1:25/", "refused"],
  ["https://1.1.1.1:1023/", "refused"],
])("the port of %s is %s", async (url, kind) => {
  expect(await guardAddress(url, strict)).toMatchObject({ kind });
});

test.each(["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe"])(
  "a name that resolves to %s and to a public address is refused",
  async (inner) => {
    for (const addresses of [
      ["1.1.1.1", inner],
      [inner, "2606:4700:4700::1111"],
    ]) {
      const verdict = await guardAddress("https://miner.example/a", { ...strict, resolve: at(...addresses) });
      expect(verdict).toEqual({
        kind: "refused",
        reason: "address_forbidden",
        detail: `miner.example is at ${inner}, which is not a public address`,
      });
    }
  },
);

test("a public address of this machine's own is refused: no firewall stands before it", async () => {
  const ownAddresses = () => new Set(["198.41.0.4", "2606:4700::1"]);
  for (const url of ["http://198.41.0.4:6379/", "http://[2606:4700::1]:8080/"]) {
    expect(await guardAddress(url, { ...strict, ownAddresses })).toMatchObject({ reason: "address_forbidden" });
  }
  expect(await guardAddress("http://198.41.0.5/", { ...strict, ownAddresses })).toMatchObject({ kind: "allowed" });
});

test("a single address can be let through, and no other with it", async () => {
  const options = { ...strict, allowedAddresses: ["127.0.0.1"] };
  expect(await guardAddress("http://127.0.0.1:99/", options)).toMatchObject({ kind: "allowed" });
  expect(await guardAddress("http://127.0.0.2/", options)).toMatchObject({ kind: "refused" });
  const resolve = at("127.0.0.1", "10.0.0.1");
  expect(await guardAddress("http://miner.example/", { ...options, resolve })).toMatchObject({ kind: "refused" });
});

test("the name localhost is resolved and refused", async () => {
  expect(await guardAddress("http://localhost:8080/a", strict)).toMatchObject({ reason: "address_forbidden" });
});

test("a public host is allowed with the addresses to connect to", async () => {
  const addresses = [{ address: "1.1.1.1", family: 4 }] as const;
  expect(await guardAddress("https://miner.example/a", { ...strict, resolve: async () => addresses })).toEqual({
    kind: "allowed",
    url: new URL("https://miner.example/a"),
    addresses,
  });
});

test("private addresses are allowed where the operator says so", async () => {
  expect(await guardAddress("http://[::1]:9/a", { allowPrivateAddresses: true })).toMatchObject({
    kind: "allowed",
    addresses: [{ address: "::1", family: 6 }],
  });
});
