import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Float32Dtype, narrow } from "@assay/checkpoint/safetensors/widen";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import type { ConfigJson } from "./config-json.ts";
import { EXPERT_TENSOR, type StackLayout, stacked } from "./random-tensors.ts";
import type { PlainTensor, PlainTensors } from "./tensors.ts";

/** How a model lies on disk. */
export interface Storage {
  readonly dtype: Float32Dtype;
  /** Number of files; more than one come with an index. */
  readonly shards: number;
  /** Null for an expert's tensors each by itself. */
  readonly stacks: StackLayout | null;
}

/** Experts of a group in one layer, in the order of the group's own positions. */
export type GroupMembers = (layer: number) => readonly number[];

/**
 * Writes what one finds on the hub: configuration, weights in one file or several with an index, a tokenizer.
 *
 * @param tensors an expert's tensors each by itself.
 */
export async function writeModelFolder(
  directory: string,
  { config, tensors }: { readonly config: ConfigJson; readonly tensors: PlainTensors },
  { dtype, shards, stacks }: Storage,
): Promise<void> {
  await mkdir(directory);
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  await writeFile(join(directory, "tokenizer_config.json"), JSON.stringify({ tokenizer_class: "ByteTokenizer" }));
  const stored = [...(stacks === null ? tensors : stacked(tensors, stacks)), ...foreignTensors(config)];
  if (shards === 1) {
    await writeSafetensors(join(directory, "model.safetensors"), sourcesOf(stored, dtype));
    return;
  }
  const fileOf = (index: number) => `model-0000${(index % shards) + 1}-of-0000${shards}.safetensors`;
  const weightMap = Object.fromEntries(stored.map(([name], index) => [name, fileOf(index)]));
  await writeFile(join(directory, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  for (let shard = 0; shard < shards; shard += 1) {
    const part = stored.filter((_, index) => index % shards === shard);
    await writeSafetensors(join(directory, fileOf(shard)), sourcesOf(part, dtype));
  }
}

/**
 * Writes what a miner of the group submits: its experts' tensors by their names in the model, or their rows of stacks.
 *
 * @param others names of further tensors that do not belong there.
 */
export async function writeSlice(
  path: string,
  slice: { readonly tensors: PlainTensors; readonly members: GroupMembers; readonly others?: RegExp | undefined },
  { dtype, stacks }: Pick<Storage, "dtype" | "stacks">,
): Promise<{ readonly path: string; readonly sha256: string }> {
  const { tensors, members, others } = slice;
  const own = expertTensors(tensors, members, stacks !== null);
  const further = others === undefined ? [] : [...tensors].filter(([name]) => others.test(name));
  const stored = [...(stacks === null ? own : stacked(own, stacks)), ...further];
  const { sha256 } = await writeSafetensors(path, sourcesOf(stored, dtype));
  return { path, sha256 };
}

/** The model with one group's experts from another one. */
export function withExpertsOf(tensors: PlainTensors, other: PlainTensors, members: GroupMembers): PlainTensors {
  return new Map([...tensors, ...expertTensors(other, members, false)]);
}

/** @param renumber whether experts are named by their position in the group. */
function expertTensors(
  tensors: PlainTensors,
  members: GroupMembers,
  renumber: boolean,
): ReadonlyMap<string, PlainTensor> {
  const own = new Map<string, PlainTensor>();
  for (const [name, tensor] of tensors) {
    const { layer, expert } = EXPERT_TENSOR.exec(name)?.groups ?? {};
    const position = expert === undefined ? -1 : members(Number(layer)).indexOf(Number(expert));
    if (position === -1) continue;
    own.set(renumber ? name.replace(`.experts.${expert}.`, `.experts.${position}.`) : name, tensor);
  }
  return own;
}

/** What the folder of a vision model holds beside its language model. */
function foreignTensors({ text_config: text }: ConfigJson): readonly (readonly [string, PlainTensor])[] {
  return text === undefined ? [] : [["model.visual.pos_embed.weight", { shape: [2], values: Float32Array.of(1, 2) }]];
}

function sourcesOf(tensors: Iterable<readonly [string, PlainTensor]>, dtype: Float32Dtype): readonly TensorSource[] {
  return [...tensors].map(([name, { shape, values }]) => {
    return { name, shape, dtype, chunks: () => [narrow(dtype, Float32Array.from(values))] };
  });
}
