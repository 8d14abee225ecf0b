import { describe, expect, test } from "vitest";
import { limitProblems } from "./limit-problems.ts";

const GOOD = {
  trusted_proxies: ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"],
  rate_limit: { requests: 150, window_seconds: 30 },
  transfers: { max_in_flight: 64, max_waiting: 0, min_bytes_per_second: 0 },
  connections: { max: 1_024, max_per_address: 128 },
};

describe("limits", () => {
  test("may do without a queue and without a least rate", () => {
    expect(limitProblems(GOOD)).toEqual([]);
  });

  test("under which nobody is served are named, and so are proxies that are no addresses", () => {
    const problems = limitProblems({
      ...GOOD,
      trusted_proxies: ["proxy.example", "10.0.0.0/33"],
      rate_limit: { requests: 0, window_seconds: 30 },
      transfers: { max_in_flight: 0 },
    });

    expect(problems.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      "rate_limit.requests: must be at least 1",
      "transfers.max_in_flight: must be at least 1",
      "trusted_proxies: proxy.example: not an address or a CIDR range",
      "trusted_proxies: 10.0.0.0/33: not an address or a CIDR range",
    ]);
  });
});
