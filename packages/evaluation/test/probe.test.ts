import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, test } from "vitest";
import { deviceName } from "../src/devices/device.ts";
import { probeDevices } from "../src/devices/probe.ts";

const NEVER = new AbortController().signal;
const logger = createMemoryLogger();

test("the CPU works, and whatever does not says why", async () => {
  const reports = await probeDevices({ logger }, { wanted: [{ kind: "cuda", index: 900 }] }, NEVER);

  expect(reports.map(({ device }) => deviceName(device))).toEqual(
    expect.arrayContaining(["cpu", "cuda:0", "webgpu:0", "cuda:900"]),
  );
  for (const { device, why } of reports) {
    if (device.kind === "cpu") expect(why).toBeNull();
    if (device.index === 900) expect(why).toMatch(/\S/);
    expect(why ?? "fine").toMatch(/^[^\n]+$/);
  }
});

test("a probe that does not answer in time is killed, and every device counts as unavailable", async () => {
  const reports = await probeDevices({ logger }, { deadlineMillis: 1 }, NEVER);

  expect(reports.map(({ device, why }) => `${deviceName(device)} ${why}`)).toEqual([
    "cpu CHILD_START_FAILED: The child process did not start (SIGKILL)",
    "cuda:0 CHILD_START_FAILED: The child process did not start (SIGKILL)",
    "webgpu:0 CHILD_START_FAILED: The child process did not start (SIGKILL)",
  ]);
});
