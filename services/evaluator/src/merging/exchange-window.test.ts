import { type Network, networkSchema } from "@assay/core/network";
import { readNetworkFile } from "@assay/runtime/config/network-file";
import { expect, test } from "vitest";
import { networkFile } from "../config.ts";
import { exchangeWindow } from "./exchange-window.ts";

test.each([
  // Its phase is blocks 430 to 479: 60 s are 5 of them, and one is spare.
  ["finney", 60, { offerLast: 471, first: 474 }],
  // As long as the phase and longer.
  ["finney", 600, { offerLast: 430, first: 430 }],
  ["localnet", 5, { offerLast: 112, first: 112 }],
  // It has the five blocks of the next cycle's Distribute.
  ["seed-45", 12, { offerLast: 47, first: 48 }],
])("on %s with %i s", (name, seconds, expected) => {
  expect(exchangeWindow(0, network(name), seconds * 1000)).toEqual(expected);
});

function network(name: string): Network {
  return networkSchema.parse(readNetworkFile(networkFile(name), networkSchema));
}
