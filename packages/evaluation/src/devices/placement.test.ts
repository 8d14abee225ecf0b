import { expect, test } from "vitest";
import { deviceName, parseDevices } from "./device.ts";
import { placeWorkers } from "./placement.ts";
import type { ProbeReport } from "./probe.ts";

function probed(available: readonly string[], missing: readonly string[] = []): readonly ProbeReport[] {
  const report = (why: string | null) => (name: string) => {
    const devices = parseDevices(name);
    if (devices === null || devices === "auto" || devices[0] === undefined) throw new RangeError(name);
    return { device: devices[0], why, millis: 1 };
  };
  return [...available.map(report(null)), ...missing.map(report("no driver"))];
}

test.each([
  ["cpu", 0, ["cpu"], ["cpu"]],
  ["cpu", 3, ["cpu"], ["cpu", "cpu", "cpu"]],
  ["cuda:0,cuda:1", 0, ["cpu", "cuda:0", "cuda:1"], ["cuda:0", "cuda:1"]],
  ["cuda:0,cuda:1", 3, ["cpu", "cuda:0", "cuda:1"], ["cuda:0", "cuda:1", "cuda:0"]],
  ["cuda:1,cuda:0", 1, ["cpu", "cuda:0", "cuda:1"], ["cuda:1"]],
  ["auto", 0, ["cpu", "cuda:0", "cuda:1", "webgpu"], ["cuda:0", "cuda:1"]],
  ["auto", 0, ["cpu", "webgpu"], ["webgpu:0"]],
  ["auto", 2, ["cpu"], ["cpu", "cpu"]],
])("%s for %i workers where there are %j", (text, workers, available, expected) => {
  const choice = parseDevices(text);
  if (choice === null) throw new RangeError(text);
  expect(placeWorkers(choice, workers, probed(available)).map(deviceName)).toEqual(expected);
});

test.each([
  ["cuda:0", ["cpu", "webgpu"], ["cuda:0"], { device: "cuda:0", why: "no driver" }],
  ["cuda:0,cuda:1", ["cpu", "cuda:0"], [], { device: "cuda:1", why: "it was not tried" }],
])("%s is refused where there are only %j, and no other device is taken", (text, available, missing, fields) => {
  const choice = parseDevices(text);
  if (choice === null) throw new RangeError(text);
  expect(() => placeWorkers(choice, 0, probed(available, missing))).toThrowError(
    expect.objectContaining({ code: "EVALUATION_DEVICE_UNAVAILABLE", retryable: false, fields }),
  );
});

test("another program's devices are taken at its word", () => {
  expect(placeWorkers([{ kind: "cuda", index: 5 }], 2, null).map(deviceName)).toEqual(["cuda:5", "cuda:5"]);
});
