import { type Definition, definitionOf } from "./definition.ts";
import { gated, gatedWeights, routed } from "./experts.ts";
import { groupedAttention } from "./grouped-attention.ts";
import { latentAttention } from "./latent-attention.ts";
import { add, linear, logSumExp, rmsNorm, row, sum, type Vector } from "./linear-algebra.ts";
import { matrix, type PlainTensors, vector } from "./tensors.ts";

interface Model {
  readonly definition: Definition;
  readonly tensors: PlainTensors;
}

/**
 * Mean cross-entropy of predicting each sequence's next token, in nats.
 *
 * @param config a `config.json`, parsed.
 * @param sequences tokens; of S + 1 the first S are seen and the last S predicted.
 */
export function meanLoss(config: unknown, tensors: PlainTensors, sequences: readonly Uint32Array[]): number {
  const losses = Float64Array.from(tokenLosses(config, tensors, sequences).flat());
  return sum(losses) / losses.length;
}

/** Each token's own loss, by sequence. */
export function tokenLosses(
  config: unknown,
  tensors: PlainTensors,
  sequences: readonly Uint32Array[],
): readonly (readonly number[])[] {
  const model = { definition: definitionOf(config), tensors };
  return sequences.map((sequence) => {
    const logits = logitsOf(model, sequence.slice(0, -1));
    const targets = sequence.slice(1);
    return logits.map((scores, position) => logSumExp(scores) - (scores[targets[position] ?? -1] ?? Number.NaN));
  });
}

/** One vector of the vocabulary's size per position. */
function logitsOf(model: Model, tokens: Uint32Array): readonly Vector[] {
  const { definition, tensors } = model;
  const { prefix, layers, epsilon, tiedEmbeddings } = definition;
  const embedding = matrix(tensors, `${prefix}embed_tokens.weight`);
  let states: readonly Vector[] = [...tokens].map((token) => row(embedding, token));
  for (let layer = 0; layer < layers; layer += 1) states = layerOutput(model, layer, states);
  const weight = vector(tensors, `${prefix}norm.weight`);
  const head = tiedEmbeddings ? embedding : matrix(tensors, "lm_head.weight");
  return states.map((state) => linear(head, rmsNorm(state, weight, epsilon)));
}

function layerOutput({ definition, tensors }: Model, layer: number, states: readonly Vector[]): readonly Vector[] {
  const { attention, epsilon } = definition;
  const name = `${definition.prefix}layers.${layer}.`;
  const normed = (norm: string, vectors: readonly Vector[]) => {
    const weight = vector(tensors, `${name}${norm}.weight`);
    return vectors.map((each) => rmsNorm(each, weight, epsilon));
  };
  const place = { tensors, name: `${name}self_attn.` };
  const inputs = normed("input_layernorm", states);
  const attended =
    attention.kind === "grouped"
      ? groupedAttention(attention, place, inputs)
      : latentAttention(attention, place, inputs);
  const middle = states.map((state, position) => add(state, attended[position] as Vector));
  const outputs = feedForward({ definition, tensors }, layer, normed("post_attention_layernorm", middle));
  return middle.map((state, position) => add(state, outputs[position] as Vector));
}

function feedForward({ definition, tensors }: Model, layer: number, inputs: readonly Vector[]): readonly Vector[] {
  const name = `${definition.prefix}layers.${layer}.`;
  const experts = definition.feedForward(layer);
  if (experts !== null) return routed(experts, { tensors, name }, inputs);
  const weights = gatedWeights(tensors, `${name}mlp.`);
  return inputs.map((x) => gated(weights, x));
}
