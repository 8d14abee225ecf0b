import type { ConfigJson } from "./config-json.ts";
import { tensorShapes } from "./tensor-shapes.ts";
import type { PlainTensor, PlainTensors } from "./tensors.ts";

/**
 * Weights that make every part of a model count: matrices keep the size of what they multiply, norms lie around 1.
 *
 * All values are exact in bfloat16 and in float16 too, so that a model is the same in whatever it is stored.
 */
export function randomTensors(config: ConfigJson, seed: number): Map<string, PlainTensor> {
  const random = randomNumbers(seed);
  return new Map(
    [...tensorShapes(config)].map(([name, shape]) => {
      const count = shape.reduce((product, length) => product * length, 1);
      const [middle, spread] = distributionOf(name, shape);
      const values = Float32Array.from({ length: count }, () => narrowed(middle + spread * (2 * random() - 1)));
      return [name, { shape, values }];
    }),
  );
}

/** Sequences of that many tokens and one more to predict, of any bytes below `vocabulary`. */
export function randomSequences(
  count: number,
  { length, vocabulary, seed }: { readonly length: number; readonly vocabulary: number; readonly seed: number },
): readonly Uint32Array[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () =>
    Uint32Array.from({ length: length + 1 }, () => Math.floor(random() * vocabulary)),
  );
}

/** One projection of an expert by itself. */
export const EXPERT_TENSOR =
  /^(?<prefix>.*layers[.](?<layer>\d+)[.])(?:mlp|block_sparse_moe)[.]experts[.](?<expert>\d+)[.](?<projection>\w+)[.]weight$/;

/** `[inputs, outputs]` is how Qwen3-VL-MoE is stored, `[outputs, inputs]` how newer Transformers keep the others. */
export type StackLayout = "inputs_first" | "outputs_first";

/** The same model with each layer's experts in two tensors instead of one tensor per projection of an expert. */
export function stacked(tensors: PlainTensors, layout: StackLayout): Map<string, PlainTensor> {
  const result = new Map<string, PlainTensor>();
  const layers = new Map<string, PlainTensor[][]>();
  for (const [name, tensor] of tensors) {
    const { prefix: layer, expert, projection } = EXPERT_TENSOR.exec(name)?.groups ?? {};
    if (layer === undefined || projection === undefined) {
      result.set(name.replace(".block_sparse_moe.", ".mlp."), tensor);
      continue;
    }
    const experts = layers.get(layer) ?? [];
    layers.set(layer, experts);
    const parts = experts[Number(expert)] ?? [];
    experts[Number(expert)] = parts;
    parts[PROJECTIONS.findIndex((names) => names.includes(projection))] = tensor;
  }
  for (const [layer, experts] of layers) {
    const block = `${layer}mlp.experts.`;
    result.set(
      `${block}gate_up_proj`,
      stack(
        experts.map(([gate, up]) => [gate, up]),
        layout,
      ),
    );
    result.set(
      `${block}down_proj`,
      stack(
        experts.map(([, , down]) => [down]),
        layout,
      ),
    );
  }
  return result;
}

const PROJECTIONS = [
  ["gate_proj", "w1"],
  ["up_proj", "w3"],
  ["down_proj", "w2"],
];

/** One block per expert, of the rows of its matrices one below the other. */
function stack(experts: readonly (readonly (PlainTensor | undefined)[])[], layout: StackLayout): PlainTensor {
  const blocks = experts.map((parts) => {
    const values = Float32Array.from(parts.flatMap((part) => [...(part?.values ?? [])]));
    const columns = parts[0]?.shape[1] ?? 0;
    return layout === "outputs_first" ? values : turned(values, columns);
  });
  const columns = experts[0]?.[0]?.shape[1] ?? 0;
  const rows = (blocks[0]?.length ?? 0) / columns;
  return {
    shape: [experts.length, ...(layout === "outputs_first" ? [rows, columns] : [columns, rows])],
    values: Float32Array.from(blocks.flatMap((block) => [...block])),
  };
}

function turned(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns;
  return values.map((_, index) => values[(index % rows) * columns + Math.floor(index / rows)] ?? Number.NaN);
}

/** Middle and largest distance from it. */
function distributionOf(name: string, shape: readonly number[]): readonly [number, number] {
  if (name.endsWith("norm.weight")) return [1, 0.4];
  if (name.endsWith(".bias")) return [0, 0.5];
  if (name.includes("embed_tokens")) return [0, 0.7];
  return [0, 1.8 / Math.sqrt(shape[1] ?? 1)];
}

/** The nearest number of 8 significant bits; 0 for those too small to be so precise in float16. */
function narrowed(value: number): number {
  if (Math.abs(value) < 2 ** -7) return 0;
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
  return Math.round(value / step) * step;
}

/** The splitmix32 generator: numbers in [0, 1), the same everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
