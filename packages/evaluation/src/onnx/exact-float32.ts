// ONNX Runtime lets CUDA multiply float32 with ten bits of mantissa (TF32) by default, and the Node binding has no
// option against it. NVIDIA's libraries read this variable when they load, and it wins over what the program asks for.
Object.assign(process.env, { NVIDIA_TF32_OVERRIDE: "0" });
