import { expect, test } from "vitest";
import type { Neuron } from "../round/snapshot.ts";
import { mergersOf } from "./mergers.ts";

const neuron = (uid: number, more: Partial<Neuron>): Neuron => ({
  uid,
  hotkey: `hotkey-${uid}`,
  coldkey: "coldkey",
  stakeRao: BigInt(uid) * 1000n,
  validatorPermit: true,
  lastUpdate: 0,
  axon: { ip: "192.0.2.7", port: 8080 },
  ...more,
});

const neurons = [
  neuron(3, { axon: { ip: "2001:db8::7", port: 9000 } }),
  neuron(1, {}),
  neuron(2, { validatorPermit: false }),
  neuron(4, { axon: null }),
  neuron(5, { axon: { ip: "192.0.2.7", port: 0 } }),
];

test("whoever has a permit and an address may merge, in hotkey order", () => {
  expect(mergersOf({ neurons })).toEqual([
    { hotkey: "hotkey-1", url: "http://192.0.2.7:8080", stakeRao: 1000n },
    { hotkey: "hotkey-3", url: "http://[2001:db8::7]:9000", stakeRao: 3000n },
  ]);
});

test("where the network names them nobody else may, and a name alone is not enough", () => {
  const named = mergersOf({ neurons }, ["hotkey-3", "hotkey-4", "hotkey-9"]);
  expect(named.map(({ hotkey }) => hotkey)).toEqual(["hotkey-3"]);
});
