import "./no-telemetry.ts";

/** ONNX Runtime as everything in Assay must import it: from here, after it was told to report to nobody. */
export { InferenceSession, Tensor } from "onnxruntime-node";
