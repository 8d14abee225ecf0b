import type { NamedTensor, TensorSource } from "@assay/checkpoint/safetensors/write";

const COLUMNS = 2048;
const FLOAT32_BYTES = 4;
/** About what one projection of one expert has in the models that are trained today. */
const TENSOR_BYTES = 16 << 20;
const PROJECTIONS = ["gate_proj", "up_proj", "down_proj"] as const;

/** How many experts a group of about so many bytes has. */
export function expertCount(groupBytes: number): number {
  return Math.max(1, Math.round(groupBytes / PROJECTIONS.length / TENSOR_BYTES));
}

/** The tensors of a model's only group, all of one shape, together about so many bytes of float32. */
export function groupTensors(groupBytes: number): readonly NamedTensor[] {
  const experts = expertCount(groupBytes);
  const rows = Math.max(1, Math.round(groupBytes / experts / PROJECTIONS.length / COLUMNS / FLOAT32_BYTES));
  return Array.from({ length: experts }, (_, expert) =>
    PROJECTIONS.map((name) => ({
      name: `model.layers.0.mlp.experts.${expert}.${name}.weight`,
      dtype: "F32" as const,
      shape: [rows, COLUMNS],
    })),
  ).flat();
}

/** Tensors with values of this size around 0; another seed gives others. */
export function noise(tensors: readonly NamedTensor[], seed: number, size: number): readonly TensorSource[] {
  return tensors.map((tensor, index) => ({ ...tensor, chunks: () => [bytesOf(values(tensor, seed + index, size))] }));
}

/** The values of {@link noise} of a first seed, moved by those of a second one. */
export function moved(
  tensors: readonly NamedTensor[],
  from: { readonly seed: number; readonly size: number },
  by: { readonly seed: number; readonly size: number },
): readonly TensorSource[] {
  return tensors.map((tensor, index) => ({
    ...tensor,
    chunks: () => {
      const moving = values(tensor, by.seed + index, by.size);
      const start = values(tensor, from.seed + index, from.size);
      for (let i = 0; i < start.length; i += 1) start[i] = (start[i] as number) + (moving[i] as number);
      return [bytesOf(start)];
    },
  }));
}

function values({ shape }: NamedTensor, seed: number, size: number): Float32Array {
  const filled = new Float32Array(shape.reduce((product, length) => product * length, 1));
  // Marsaglia's xorshift: no two chunks alike, and faster than the disk.
  let state = (seed * 2_654_435_761) | 1;
  for (let i = 0; i < filled.length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    filled[i] = (state / 2 ** 31) * size;
  }
  return filled;
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
