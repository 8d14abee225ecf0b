// The Linux builds of ONNX Runtime send usage data (names and hashes of graphs among them) to their maker unless this
// is set before the library loads: https://github.com/microsoft/onnxruntime/pull/27379
Object.assign(process.env, { ORT_DISABLE_TELEMETRY: "1" });
