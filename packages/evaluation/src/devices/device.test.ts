import { expect, test } from "vitest";
import { deviceName, parseDevices } from "./device.ts";

test.each([
  ["cpu", ["cpu"]],
  ["cuda", ["cuda:0"]],
  ["cuda:1", ["cuda:1"]],
  ["webgpu", ["webgpu:0"]],
  ["webgpu:0", ["webgpu:0"]],
  ["cuda:0, cuda:3,cpu", ["cuda:0", "cuda:3", "cpu"]],
])("%s names devices", (text, names) => {
  const devices = parseDevices(text);
  expect(devices === "auto" ? devices : devices?.map(deviceName)).toEqual(names);
});

test("auto leaves the choice to the probe", () => {
  expect(parseDevices("auto")).toBe("auto");
});

test.each([
  "",
  "gpu",
  "cuda:",
  "cuda:-1",
  "cuda:1000",
  "webgpu:1",
  "cpu:0",
  "cuda:0,",
  "auto,cpu",
  "cuda,cuda:0",
  "CUDA",
])("'%s' names none", (text) => {
  expect(parseDevices(text)).toBeNull();
});
