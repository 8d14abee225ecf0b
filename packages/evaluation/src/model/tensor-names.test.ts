import { describe, expect, test } from "vitest";
import type { ModelConfig } from "./config.ts";
import {
  expertGroup,
  groupTensors,
  type ModelTensor,
  modelTensors,
  sharedTensors,
  unknownTensors,
} from "./tensor-names.ts";

const config: ModelConfig = {
  architecture: "qwen3_moe",
  vocabularySize: 16,
  hiddenSize: 8,
  layers: 1,
  attention: {
    kind: "grouped",
    heads: 4,
    keyValueHeads: 2,
    headDim: 4,
    bias: false,
    norm: "per_head",
    clip: null,
    window: null,
  },
  rotary: { theta: 10_000, scaling: { type: "default" } },
  experts: 4,
  expertsPerToken: 2,
  expertIntermediateSize: 6,
  routing: { normalizeTopK: true, scale: 1, groupLimit: null },
  denseLayers: [],
  denseIntermediateSize: null,
  sharedIntermediateSize: null,
  rmsNormEpsilon: 1e-6,
  tiedEmbeddings: false,
};

describe("tensor names", () => {
  test("the shared tensors have Hugging Face's names and shapes", () => {
    expect(sharedTensors(config).map(({ name, shape }) => [name, ...shape])).toEqual([
      ["model.embed_tokens.weight", 16, 8],
      ["model.layers.0.input_layernorm.weight", 8],
      ["model.layers.0.self_attn.q_proj.weight", 16, 8],
      ["model.layers.0.self_attn.k_proj.weight", 8, 8],
      ["model.layers.0.self_attn.v_proj.weight", 8, 8],
      ["model.layers.0.self_attn.o_proj.weight", 8, 16],
      ["model.layers.0.self_attn.q_norm.weight", 4],
      ["model.layers.0.self_attn.k_norm.weight", 4],
      ["model.layers.0.post_attention_layernorm.weight", 8],
      ["model.layers.0.mlp.gate.weight", 4, 8],
      ["model.norm.weight", 8],
      ["lm_head.weight", 16, 8],
    ]);
  });

  test("a group is a block of neighbouring experts in every layer", () => {
    expect(groupTensors(config, 2, 1).map(({ name, shape }) => [name, ...shape])).toEqual([
      ["model.layers.0.mlp.experts.2.gate_proj.weight", 6, 8],
      ["model.layers.0.mlp.experts.2.up_proj.weight", 6, 8],
      ["model.layers.0.mlp.experts.2.down_proj.weight", 8, 6],
      ["model.layers.0.mlp.experts.3.gate_proj.weight", 6, 8],
      ["model.layers.0.mlp.experts.3.up_proj.weight", 6, 8],
      ["model.layers.0.mlp.experts.3.down_proj.weight", 8, 6],
    ]);
  });

  test.each([
    ["stacked_in_out", [8, 12], [6, 8]],
    ["stacked_out_in", [12, 8], [8, 6]],
  ] as const)("%s experts are one tensor per layer and matrix, a group's hold its own", (layout, gateUp, down) => {
    const shapesOf = (tensors: readonly ModelTensor[]) =>
      tensors.filter(({ expert }) => expert !== null).map(({ name, shape }) => [name, ...shape]);

    expect(shapesOf(modelTensors(config, layout))).toEqual([
      ["model.layers.0.mlp.experts.gate_up_proj", 4, ...gateUp],
      ["model.layers.0.mlp.experts.down_proj", 4, ...down],
    ]);
    expect(shapesOf(groupTensors(config, 2, 1, layout))).toEqual([
      ["model.layers.0.mlp.experts.gate_up_proj", 2, ...gateUp],
      ["model.layers.0.mlp.experts.down_proj", 2, ...down],
    ]);
  });

  test("tied embeddings leave out the head", () => {
    const names = modelTensors({ ...config, tiedEmbeddings: true }).map(({ name }) => name);

    expect(names).not.toContain("lm_head.weight");
    expect(names).toHaveLength(modelTensors(config).length - 1);
  });

  test("unknown are tensors that the configuration does not have, but not what a language model leaves alone", () => {
    const names = [
      ...sharedTensors(config).map(({ name }) => name),
      "model.layers.0.self_attn.q_proj.bias",
      "model.layers.1.input_layernorm.weight",
      "model.visual.blocks.0.attn.qkv.weight",
      "mtp.layers.0.mlp.gate.weight",
      "model.mtp_block.norm.weight",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
    ];

    expect(unknownTensors(config, "per_expert", names)).toEqual([
      "model.layers.0.self_attn.q_proj.bias",
      "model.layers.1.input_layernorm.weight",
    ]);
    expect(unknownTensors({ ...config, tiedEmbeddings: true }, "per_expert", ["lm_head.weight"])).toEqual([]);
  });

  test("groups that cannot be equal are refused", () => {
    expect(() => expertGroup(config, 3, 0)).toThrow("4 experts cannot be cut into 3 equal groups");
  });
});
