import { expect, test } from "vitest";
import { guardAddress, isPublicAddress, type ResolvedAddress } from "./address-guard.ts";

const strict = { allowPrivateAddresses: false };

test.each([
  "http://127.0.0.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://0/",
  "http://10.1.2.3/",
  "http://172.31.255.255/",
  "http://192.168.0.1/",
  "http://100.64.0.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://168.63.129.16/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:0:7f00:1::]/",
  "http://[fe80::1]/",
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
  "http://user:secret@1.1.1.1/",
  "https://user@1.1.1.1/",
  "http://",
  "http://1.1.1.1:99999/",
  `http://1.1.1.1/${"x".repeat(2048)}`,
])("%s is not a URL to fetch", async (url) => {
  expect(await guardAddress(url, strict)).toMatchObject({ kind: "refused", reason: "url_invalid" });
});

test.each(["1.1.1.1", "172.32.0.1", "2606:4700:4700::1111"])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each(["", "localhost", "1.1.1", "2001:db8::1", "3fff::1", "::ffff:1.1.1.1"])("%j is not public", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test("the name localhost is resolved and refused", async () => {
  expect(await guardAddress("http://localhost:8080/a", strict)).toMatchObject({ reason: "address_forbidden" });
});

test("one private address among several refuses the host", async () => {
  const resolve = async (): Promise<readonly ResolvedAddress[]> => [
    { address: "1.1.1.1", family: 4 },
    { address: "10.0.0.1", family: 4 },
  ];
  expect(await guardAddress("https://miner.example/a", { ...strict, resolve })).toMatchObject({
    kind: "refused",
    detail: "miner.example is at 10.0.0.1, which is not a public address",
  });
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
