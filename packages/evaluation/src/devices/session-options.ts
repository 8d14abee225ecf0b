import type { InferenceSession } from "../onnx/runtime.ts";
import type { Device } from "./device.ts";

/**
 * Options of a session that runs on this device.
 *
 * Prepacking would copy weights that are inputs anyway. Threads that spin between runs would fight for the cores, since
 * several sessions take turns.
 *
 * @param threads of one operator on the CPU.
 */
export function sessionOptions(device: Device, threads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: executionProviders(device),
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { disable_prepacking: "1", force_spinning_stop: "1" } },
  };
}

/**
 * Options under which a session is refused unless every node of its graph runs on this GPU.
 *
 * Ordinary sessions leave nodes that the GPU's provider has no kernel for to the CPU.
 */
export function wholeGraphOptions(device: Device): InferenceSession.SessionOptions {
  if (device.kind === "cpu") return sessionOptions(device, 1);
  return { ...sessionOptions(device, 1), extra: { session: { disable_cpu_ep_fallback: "1" } } };
}

/**
 * Exactly one provider: given a second one, the library drops a first that is missing and says nothing
 * (`resolveBackendAndExecutionProviders` in onnxruntime-common 1.30).
 *
 * The binding knows no option of CUDA but the number, and refuses a number for WebGPU
 * (`ParseExecutionProviders` in onnxruntime's js/node/src/session_options_helper.cc).
 */
function executionProviders({ kind, index }: Device): readonly InferenceSession.ExecutionProviderConfig[] {
  return kind === "cuda" ? [{ name: "cuda", deviceId: index }] : [kind];
}
