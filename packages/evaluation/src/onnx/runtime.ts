import "./exact-float32.ts";
import "./no-telemetry.ts";
import { env } from "onnxruntime-node";

/**
 * ONNX Runtime as everything in Assay must import it: from here, after it was told to report to nobody and to compute
 * in whole float32.
 */
export { InferenceSession, Tensor } from "onnxruntime-node";

/** Name and version of the library. */
export const ONNX_LIBRARY: string = `onnxruntime-node ${env.versions.node ?? "?"}`;
