import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { float32Source, type TensorSource, writeSafetensors } from "../src/safetensors/write.ts";

/** Two layers of four experts, one tensor per expert of two values (10·layer + expert), and two shared tensors. */
export function tinyTensors(): readonly TensorSource[] {
  const experts = [0, 1].flatMap((layer) =>
    [0, 1, 2, 3].map((expert) =>
      float32Source(expertName(layer, expert), [2], new Float32Array(2).fill(10 * layer + expert)),
    ),
  );
  return [
    float32Source("model.embed_tokens.weight", [3, 2], new Float32Array(6).fill(0.5)),
    float32Source("model.layers.0.mlp.gate.weight", [4], new Float32Array(4).fill(0.25)),
    ...experts,
  ];
}

export function expertName(layer: number, expert: number): string {
  return `model.layers.${layer}.mlp.experts.${expert}.up_proj.weight`;
}

/** A Hugging Face folder of {@link tinyTensors} in one file. */
export async function writeTinyModel(
  folder: string,
  tensors: readonly TensorSource[] = tinyTensors(),
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), '{"num_experts":4}');
  await writeFile(join(folder, "tokenizer_config.json"), '{"tokenizer_class":"ByteTokenizer"}');
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

/** A group file: the given experts of both layers, every value `value`. */
export async function writeGroupFile(path: string, experts: readonly number[], value: number): Promise<string> {
  const tensors = [0, 1].flatMap((layer) =>
    experts.map((expert) => float32Source(expertName(layer, expert), [2], new Float32Array(2).fill(value))),
  );
  await writeSafetensors(path, tensors);
  return path;
}
