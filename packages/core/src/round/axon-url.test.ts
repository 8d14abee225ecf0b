import { expect, test } from "vitest";
import { axonUrl } from "./axon-url.ts";

test.each([
  ["203.0.113.9", 8000, "http://203.0.113.9:8000"],
  ["2001:db8:0:0:0:0:0:1", 80, "http://[2001:db8:0:0:0:0:0:1]:80"],
  ["203.0.113.9", 443, "https://203.0.113.9"],
  ["203.0.113.9", 0, null],
])("the axon %s, port %i is at %s", (ip, port, url) => {
  expect(axonUrl({ axon: { ip, port } })).toBe(url);
});

test("a neuron without an axon is nowhere", () => {
  expect(axonUrl({ axon: null })).toBe(null);
});
