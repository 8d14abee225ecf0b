import { isAppError } from "@assay/core/app-error";
import { ChildProcess } from "@assay/runtime/child/child-process";
import { moduleUrl } from "@assay/runtime/child/module-url";
import type { Logger } from "@assay/runtime/logging/logger";
import { CPU, type Device, deviceName, WEBGPU } from "./device.ts";

/** What came of trying one device. */
export interface ProbeReport {
  readonly device: Device;
  /** Why it cannot be used; null when it can. */
  readonly why: string | null;
  readonly millis: number;
}

export interface ProbeOptions {
  /** Devices to try beyond those that are always tried. */
  readonly wanted?: readonly Device[];
  /** For one device; the first use of a GPU may take seconds. */
  readonly deadlineMillis?: number;
}

type ProbeChild = Pick<ChildProcess<Device, string | null>, "request">;

const DEFAULT_DEADLINE_MILLIS = 30_000;
/** No machine that we know of has more. */
const MAX_CUDA_DEVICES = 16;

/**
 * Tries the CPU, WebGPU and the CUDA devices from 0 upwards until one fails: each computes a product that is compared.
 *
 * Runs in a child process, which a driver may crash or hang; the next device is then tried in a fresh one.
 */
export async function probeDevices(
  { logger }: { readonly logger: Logger },
  { wanted = [], deadlineMillis = DEFAULT_DEADLINE_MILLIS }: ProbeOptions,
  signal: AbortSignal,
): Promise<readonly ProbeReport[]> {
  const child = new ChildProcess<Device, string | null>(
    { logger },
    { name: "device-probe", module: moduleUrl(import.meta.url, "./probe-entry"), startDeadlineMs: deadlineMillis },
  );
  try {
    const timing = { deadlineMs: deadlineMillis, signal };
    const reports = [await probe(child, CPU, timing), ...(await probeCuda(child, timing))];
    const tried = new Set(reports.map(({ device }) => deviceName(device)));
    for (const device of [WEBGPU, ...wanted]) {
      if (tried.has(deviceName(device))) continue;
      tried.add(deviceName(device));
      reports.push(await probe(child, device, timing));
    }
    return reports;
  } finally {
    await child.stop();
  }
}

interface Timing {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** The number that fails only tells where the devices end, unless it is the first. */
async function probeCuda(child: ProbeChild, timing: Timing): Promise<readonly ProbeReport[]> {
  const reports: ProbeReport[] = [];
  for (let index = 0; index < MAX_CUDA_DEVICES; index += 1) {
    const report = await probe(child, { kind: "cuda", index }, timing);
    if (report.why !== null && index > 0) break;
    reports.push(report);
    if (report.why !== null) break;
  }
  return reports;
}

async function probe(child: ProbeChild, device: Device, timing: Timing): Promise<ProbeReport> {
  const start = performance.now();
  const why = await child.request(device, timing).catch((error: unknown) => {
    timing.signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    const { exitCode, signal } = error.fields;
    const end = signal ?? exitCode;
    return `${error.code}: ${error.message}${end === undefined || end === null ? "" : ` (${end})`}`;
  });
  return { device, why: why === null ? null : readable(why, device), millis: Math.round(performance.now() - start) };
}

/** The native runtime's own words without its source lines, and what they mean where that is known. */
function readable(why: string, { kind }: Device): string {
  const [first = ""] = why.replace(/^.* was false\. /, "").split("\n");
  const missing = kind === "cuda" && /load shared library/i.test(first);
  const hint = missing ? " (ONNX Runtime's CUDA libraries are not installed: see install.md)" : "";
  return `${first.slice(0, 300)}${hint}`;
}
