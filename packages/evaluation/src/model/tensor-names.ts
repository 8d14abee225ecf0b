import type { ExpertGroup } from "@assay/core/units";
import type { ModelConfig } from "./config.ts";
import { describeModel } from "./description.ts";
import { type ExpertTensorLayout, publishedLayout } from "./expert-layout.ts";
import { HEAD } from "./names.ts";
import type { WeightInput } from "./weight-input.ts";

/** One tensor of a model. Matrices are stored as Hugging Face stores them: `[outputs, inputs]`, row-major. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * Which routed expert the tensor belongs to; null for everything that the groups share. The index is null for a
   * tensor that stacks all experts of its layer.
   */
  readonly expert: { readonly layer: number; readonly index: number | null } | null;
}

/**
 * Every tensor of a model, in the order in which it is used. Tied embeddings leave out the head.
 *
 * @param layout here and below: default as the architecture's makers published their files.
 */
export function modelTensors(
  config: ModelConfig,
  layout: ExpertTensorLayout = publishedLayout(config.architecture),
): readonly ModelTensor[] {
  const model = describeModel(config, layout);
  const tensors = [shared(model.embedding)];
  for (let index = 0; index < config.layers; index += 1) {
    const { attention, dense, expert } = model.layer(index);
    tensors.push(...attention.map(shared), ...(dense ?? []).map(shared));
    if (expert !== null) tensors.push(...expertTensors(config, layout, index, expert));
  }
  const head = model.head.filter(({ tensor }) => tensor !== model.embedding.tensor);
  return [...tensors, ...head.map(shared)];
}

/**
 * Which group each expert is in: the experts of a layer in order, cut into equal blocks.
 *
 * @throws RangeError if the groups cannot be equal (a caller's bug).
 */
export function expertGroup(config: ModelConfig, groups: number, expert: number): ExpertGroup {
  return Math.floor(expert / groupSize(config, groups));
}

/**
 * The tensors of one expert group: what a miner of that group trains and submits. Stacked tensors hold the group's
 * experts only.
 *
 * @throws RangeError as {@link expertGroup}.
 */
export function groupTensors(
  config: ModelConfig,
  groups: number,
  group: ExpertGroup,
  layout = publishedLayout(config.architecture),
): readonly ModelTensor[] {
  const size = groupSize(config, groups);
  return modelTensors(config, layout).flatMap((tensor) => {
    if (tensor.expert === null) return [];
    if (tensor.expert.index === null) return [{ ...tensor, shape: [size, ...tensor.shape.slice(1)] }];
    return expertGroup(config, groups, tensor.expert.index) === group ? [tensor] : [];
  });
}

/** The tensors that no expert group trains. */
export function sharedTensors(
  config: ModelConfig,
  layout = publishedLayout(config.architecture),
): readonly ModelTensor[] {
  return modelTensors(config, layout).filter(({ expert }) => expert === null);
}

/**
 * Which of these shared tensors a model of this configuration does not have.
 *
 * What a language model does not use is not counted: the vision part of a larger model, layers that predict several
 * tokens at once, tables of positions that old files hold, and a head beside tied embeddings.
 */
export function unknownTensors(
  config: ModelConfig,
  layout: ExpertTensorLayout,
  names: Iterable<string>,
): readonly string[] {
  const known = new Set(sharedTensors(config, layout).map(({ name }) => name));
  return [...names].filter((name) => !known.has(name) && !UNUSED.test(name) && name !== HEAD);
}

const UNUSED = /^(?:model\.)?(?:visual|mtp[^.]*)\.|\.rotary_emb\.inv_freq$/;

function groupSize({ experts }: ModelConfig, groups: number): number {
  if (!Number.isSafeInteger(groups) || groups < 1 || experts % groups !== 0) {
    throw new RangeError(`${experts} experts cannot be cut into ${groups} equal groups`);
  }
  return experts / groups;
}

function expertTensors(
  { experts }: ModelConfig,
  layout: ExpertTensorLayout,
  layer: number,
  expert: (index: number) => readonly WeightInput[],
): readonly ModelTensor[] {
  if (layout === "per_expert") {
    const indices = [...Array(experts).keys()];
    return indices.flatMap((index) =>
      expert(index).map(({ tensor, shape }) => ({ name: tensor, shape, expert: { layer, index } })),
    );
  }
  return expert(0).map(({ tensor, shape }) => ({
    name: tensor,
    shape: [experts, ...shape],
    expert: { layer, index: null },
  }));
}

function shared({ tensor, shape }: WeightInput): ModelTensor {
  return { name: tensor, shape, expert: null };
}
