import { expect, test } from "vitest";
import { configuredAxon, isSameAxon } from "./axon.ts";

test("a port of 0 is the server's, and no address is no axon", () => {
  expect(configuredAxon({ ip: "203.0.113.7", port: 0 }, 8080)).toEqual({ ip: "203.0.113.7", port: 8080 });
  expect(configuredAxon({ ip: "203.0.113.7", port: 443 }, 8080)).toEqual({ ip: "203.0.113.7", port: 443 });
  expect(configuredAxon({ ip: "", port: 443 }, 8080)).toBe(null);
});

test.each([
  [{ ip: "2001:db8::7", port: 1 }, { ip: "2001:db8:0:0:0:0:0:7", port: 1 }, true],
  [{ ip: "203.0.113.7", port: 1 }, { ip: "203.0.113.7", port: 2 }, false],
  [{ ip: "203.0.113.7", port: 1 }, { ip: "203.0.113.8", port: 1 }, false],
  [{ ip: "203.0.113.7", port: 1 }, null, false],
  [null, null, true],
])("%j and %j are the same: %s", (one, other, same) => {
  expect(isSameAxon(one, other)).toBe(same);
  expect(isSameAxon(other, one)).toBe(same);
});
