/** Where a graph runs. Not where weights lie: CUDA and WebGPU copy what is fed on every run. */
export interface Device {
  readonly kind: "cpu" | "cuda" | "webgpu";
  /** CUDA's own number of the GPU (within `CUDA_VISIBLE_DEVICES`); 0 for the others, of which a process has one. */
  readonly index: number;
}

export const CPU: Device = { kind: "cpu", index: 0 };
export const WEBGPU: Device = { kind: "webgpu", index: 0 };

/** Devices that an operator named, or all GPUs that are found (else the CPU). */
export type DeviceChoice = "auto" | readonly Device[];

const WORD = /^(?:cpu|webgpu(?::0)?|cuda(?::(\d{1,3}))?)$/;

/**
 * `auto`, or words separated by commas: `cpu`, `cuda`, `cuda:1`, `webgpu`. Without a number the first is meant.
 *
 * The binding hands WebGPU no choice of adapter, so there is no `webgpu:1`.
 *
 * @returns null if a word is none of these, or is there twice.
 */
export function parseDevices(text: string): DeviceChoice | null {
  if (text.trim() === "auto") return "auto";
  const devices = text.split(",").map((word) => parseDevice(word.trim()));
  const known = devices.filter((device) => device !== null);
  if (known.length < devices.length) return null;
  return new Set(known.map(deviceName)).size === known.length ? known : null;
}

/** As an operator writes it: `cpu`, `cuda:1`, `webgpu:0`. */
export function deviceName({ kind, index }: Device): string {
  return kind === "cpu" ? "cpu" : `${kind}:${index}`;
}

function parseDevice(word: string): Device | null {
  const match = WORD.exec(word);
  if (match === null) return null;
  if (word === "cpu") return CPU;
  return word.startsWith("webgpu") ? WEBGPU : { kind: "cuda", index: Number(match[1] ?? 0) };
}
