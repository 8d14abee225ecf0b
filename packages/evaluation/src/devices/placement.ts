import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { CPU, type Device, type DeviceChoice, deviceName } from "./device.ts";
import type { ProbeReport } from "./probe.ts";

/**
 * The device of each worker, round robin.
 *
 * `auto` takes every CUDA device that was found; without one WebGPU, which would be the same GPU through another door;
 * without any the CPU.
 *
 * @param workers how many there shall be; 0 for one per device.
 * @param reports null when another program computes, which answers for its devices itself.
 * @throws EvaluationError `EVALUATION_DEVICE_UNAVAILABLE` for a named device that cannot be used. Never another instead.
 */
export function placeWorkers(
  choice: DeviceChoice,
  workers: number,
  reports: readonly ProbeReport[] | null,
): readonly Device[] {
  const devices = choice === "auto" ? found(reports ?? []) : choice;
  if (reports !== null) for (const device of devices) checkAvailable(device, reports);
  const count = workers === 0 ? devices.length : workers;
  return Array.from({ length: count }, (_, worker) => devices[worker % devices.length] ?? CPU);
}

function found(reports: readonly ProbeReport[]): readonly Device[] {
  const available = reports.filter(({ why }) => why === null).map(({ device }) => device);
  const gpus = available.filter(({ kind }) => kind === "cuda");
  const others = available.filter(({ kind }) => kind === "webgpu");
  return [gpus, others].find(({ length }) => length > 0) ?? [CPU];
}

function checkAvailable(device: Device, reports: readonly ProbeReport[]): void {
  const report = reports.find((each) => deviceName(each.device) === deviceName(device));
  if (report?.why === null) return;
  throw new EvaluationError(EvaluationErrorCode.DeviceUnavailable, "The device cannot be used", {
    fields: { device: deviceName(device), why: report?.why ?? "it was not tried" },
  });
}
