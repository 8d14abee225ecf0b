import type { ConfigProblem } from "@assay/runtime/config/config-error";
import express from "express";

interface LimitsConfig {
  readonly trusted_proxies: readonly string[];
  readonly rate_limit: { readonly requests: number; readonly window_seconds: number };
  readonly transfers: Readonly<Record<string, number>>;
  readonly connections: { readonly max: number; readonly max_per_address: number };
}

/** Limits under which nobody could be served, and proxies that are no addresses. */
export function limitProblems({
  trusted_proxies,
  rate_limit,
  transfers,
  connections,
}: LimitsConfig): readonly ConfigProblem[] {
  const zeros = Object.entries({ rate_limit, transfers, connections }).flatMap(([section, values]) =>
    Object.entries(values)
      .filter(([key, value]) => value === 0 && !MAY_BE_ZERO.has(key))
      .map(([key]) => ({ path: `${section}.${key}`, message: "must be at least 1" })),
  );
  const proxies = trusted_proxies
    .filter((proxy) => !isProxy(proxy))
    .map((proxy) => ({ path: "trusted_proxies", message: `${proxy}: not an address or a CIDR range` }));
  return [...zeros, ...proxies];
}

/** Without a queue everybody beyond the slots is turned away at once; without a least rate nobody is too slow, without a largest one nobody waits. */
const MAY_BE_ZERO = new Set([
  "max_waiting",
  "min_bytes_per_second",
  "max_bytes_per_second",
  "max_total_bytes_per_second",
]);

function isProxy(text: string): boolean {
  try {
    express().set("trust proxy", [text]);
    return true;
  } catch {
    return false;
  }
}
