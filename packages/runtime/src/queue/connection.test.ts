import { expect, test } from "vitest";
import { isConnectionError, redisAddress } from "./connection.ts";

test.each([
  ["redis://127.0.0.1", { host: "127.0.0.1", port: 6379 }],
  ["redis://user:p%40ss@redis:6380/2", { host: "redis", port: 6380, username: "user", password: "p@ss", db: 2 }],
  ["rediss://redis", { host: "redis", port: 6379, tls: {} }],
  ["redis://[::1]:7000", { host: "::1", port: 7000 }],
  ["unix:///run/my%20redis.sock?db=1", { path: "/run/my redis.sock", db: 1 }],
])("%s is read as %o", (url, address) => {
  expect(redisAddress(url)).toEqual(address);
});

test("another URL is refused without repeating it, since it may hold a password", () => {
  const read = () => redisAddress("http://user:pa55@redis");
  expect(read).toThrow(expect.objectContaining({ code: "QUEUE_URL_INVALID" }));
  expect(read).not.toThrow(/pa55/);
});

test.each([
  [Object.assign(new Error("connect"), { code: "ECONNREFUSED" }), true],
  [new Error("Connection is closed."), true],
  [new Error("Stream isn't writeable and enableOfflineQueue options is false"), true],
  [new Error("OOM command not allowed when used memory > 'maxmemory'."), true],
  [new Error("LOADING Redis is loading the dataset in memory"), true],
  [new Error("ERR wrong number of arguments"), false],
  ["text", false],
])("%s says that Redis is away or cannot take commands now: %s", (error, away) => {
  expect(isConnectionError(error)).toBe(away);
});
