import { describe, expect, test } from "vitest";
import type { ModelConfig } from "./config.ts";
import { describeModel } from "./description.ts";
import { exampleConfig } from "./example-config.ts";
import { expertTensorLayout } from "./expert-layout.ts";
import { tensorFor, type WeightInput } from "./weight-input.ts";

const config: ModelConfig = {
  architecture: "qwen3_moe",
  vocabularySize: 16,
  hiddenSize: 8,
  layers: 2,
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

function rows(weights: readonly WeightInput[] | undefined | null): unknown {
  return weights?.map(({ input, tensor, shape }) => [input, tensor, ...shape]);
}

describe("describeModel", () => {
  test("names what each graph takes", () => {
    const model = describeModel(config, "per_expert");
    const layer = model.layer(1);

    expect(model.embedding).toEqual({ input: "embedding", tensor: "model.embed_tokens.weight", shape: [16, 8] });
    expect(rows(model.head)).toEqual([
      ["norm", "model.norm.weight", 8],
      ["head", "lm_head.weight", 16, 8],
    ]);
    expect(rows(layer.attention)).toEqual([
      ["inputNorm", "model.layers.1.input_layernorm.weight", 8],
      ["query", "model.layers.1.self_attn.q_proj.weight", 16, 8],
      ["key", "model.layers.1.self_attn.k_proj.weight", 8, 8],
      ["value", "model.layers.1.self_attn.v_proj.weight", 8, 8],
      ["output", "model.layers.1.self_attn.o_proj.weight", 8, 16],
      ["queryNorm", "model.layers.1.self_attn.q_norm.weight", 4],
      ["keyNorm", "model.layers.1.self_attn.k_norm.weight", 4],
      ["feedForwardNorm", "model.layers.1.post_attention_layernorm.weight", 8],
      ["router", "model.layers.1.mlp.gate.weight", 4, 8],
    ]);
    expect(rows(layer.expert?.(3))).toEqual([
      ["gate", "model.layers.1.mlp.experts.3.gate_proj.weight", 6, 8],
      ["up", "model.layers.1.mlp.experts.3.up_proj.weight", 6, 8],
      ["down", "model.layers.1.mlp.experts.3.down_proj.weight", 8, 6],
    ]);
    expect(layer.dense).toBeNull();
    expect(() => model.layer(2)).toThrow("The model has 2 layers, none 2");
  });

  test.each([
    ["stacked_in_out", [8, 12], [6, 8]],
    ["stacked_out_in", [12, 8], [8, 6]],
  ] as const)("takes blocks of %s experts", (layout, gateUp, down) => {
    expect(rows(describeModel(config, layout).layer(0).expert?.(1))).toEqual([
      ["gate_up", "model.layers.0.mlp.experts.gate_up_proj", ...gateUp],
      ["down", "model.layers.0.mlp.experts.down_proj", ...down],
    ]);
  });

  test("Mixtral's experts are three numbered matrices in a block of their own, stacked ones are not", () => {
    const mixtral = exampleConfig("mixtral");
    const apart = describeModel(mixtral, "per_expert").layer(0);
    const stacked = describeModel(mixtral, "stacked_out_in").layer(0);

    expect(rows(apart.expert?.(1))).toEqual([
      ["gate", "model.layers.0.block_sparse_moe.experts.1.w1.weight", 24, 32],
      ["up", "model.layers.0.block_sparse_moe.experts.1.w3.weight", 24, 32],
      ["down", "model.layers.0.block_sparse_moe.experts.1.w2.weight", 32, 24],
    ]);
    expect(tensorFor(apart.attention, "router")).toBe("model.layers.0.block_sparse_moe.gate.weight");
    expect(tensorFor(stacked.attention, "router")).toBe("model.layers.0.mlp.gate.weight");
    expect(() => tensorFor(apart.attention, "queryNorm")).toThrow("No tensor feeds queryNorm");
  });

  test("the language model inside Qwen3-VL-MoE has a prefix, its head has not", () => {
    const model = describeModel(exampleConfig("qwen3_vl_moe"), "stacked_in_out");

    expect(model.embedding.tensor).toBe("model.language_model.embed_tokens.weight");
    expect(model.head.map(({ tensor }) => tensor)).toEqual(["model.language_model.norm.weight", "lm_head.weight"]);
    expect(rows(model.layer(1).expert?.(2))).toEqual([
      ["gate_up", "model.language_model.layers.1.mlp.experts.gate_up_proj", 32, 48],
      ["down", "model.language_model.layers.1.mlp.experts.down_proj", 24, 32],
    ]);
  });

  test("OLMoE's norms span all heads, and biases are vectors of their own", () => {
    const olmoe = exampleConfig("olmoe");
    const attention = { ...olmoe.attention, bias: true };
    const layer = describeModel({ ...olmoe, attention }, "per_expert").layer(0);

    expect(rows(layer.attention)).toEqual([
      ["inputNorm", "model.layers.0.input_layernorm.weight", 32],
      ["query", "model.layers.0.self_attn.q_proj.weight", 32, 32],
      ["queryBias", "model.layers.0.self_attn.q_proj.bias", 32],
      ["key", "model.layers.0.self_attn.k_proj.weight", 32, 32],
      ["keyBias", "model.layers.0.self_attn.k_proj.bias", 32],
      ["value", "model.layers.0.self_attn.v_proj.weight", 32, 32],
      ["valueBias", "model.layers.0.self_attn.v_proj.bias", 32],
      ["output", "model.layers.0.self_attn.o_proj.weight", 32, 32],
      ["outputBias", "model.layers.0.self_attn.o_proj.bias", 32],
      ["queryNorm", "model.layers.0.self_attn.q_norm.weight", 32],
      ["keyNorm", "model.layers.0.self_attn.k_norm.weight", 32],
      ["feedForwardNorm", "model.layers.0.post_attention_layernorm.weight", 32],
      ["router", "model.layers.0.mlp.gate.weight", 4, 32],
    ]);
  });

  test("DeepSeek-V2 has latent attention, a dense layer and shared experts", () => {
    const deepseek = exampleConfig("deepseek_v2");
    const attention = { ...deepseek.attention, queryRank: 12, bias: true } as ModelConfig["attention"];
    const model = describeModel({ ...deepseek, attention }, "per_expert");
    const [first, second] = [model.layer(0), model.layer(1)];

    expect(rows(second.attention)).toEqual([
      ["inputNorm", "model.layers.1.input_layernorm.weight", 32],
      ["queryDown", "model.layers.1.self_attn.q_a_proj.weight", 12, 32],
      ["queryDownBias", "model.layers.1.self_attn.q_a_proj.bias", 12],
      ["queryNorm", "model.layers.1.self_attn.q_a_layernorm.weight", 12],
      ["queryUp", "model.layers.1.self_attn.q_b_proj.weight", 64, 12],
      ["keyValueDown", "model.layers.1.self_attn.kv_a_proj_with_mqa.weight", 24, 32],
      ["keyValueDownBias", "model.layers.1.self_attn.kv_a_proj_with_mqa.bias", 24],
      ["keyValueNorm", "model.layers.1.self_attn.kv_a_layernorm.weight", 16],
      ["keyValueUp", "model.layers.1.self_attn.kv_b_proj.weight", 64, 16],
      ["output", "model.layers.1.self_attn.o_proj.weight", 32, 32],
      ["outputBias", "model.layers.1.self_attn.o_proj.bias", 32],
      ["feedForwardNorm", "model.layers.1.post_attention_layernorm.weight", 32],
      ["router", "model.layers.1.mlp.gate.weight", 4, 32],
    ]);
    expect(first.kind).toEqual({ routed: false, window: null });
    expect(first.expert).toBeNull();
    expect(first.denseIntermediateSize).toBe(96);
    expect(rows(first.dense)).toEqual([
      ["gate", "model.layers.0.mlp.gate_proj.weight", 96, 32],
      ["up", "model.layers.0.mlp.up_proj.weight", 96, 32],
      ["down", "model.layers.0.mlp.down_proj.weight", 32, 96],
    ]);
    expect(second.denseIntermediateSize).toBe(48);
    expect(rows(second.dense)).toEqual([
      ["gate", "model.layers.1.mlp.shared_experts.gate_proj.weight", 48, 32],
      ["up", "model.layers.1.mlp.shared_experts.up_proj.weight", 48, 32],
      ["down", "model.layers.1.mlp.shared_experts.down_proj.weight", 32, 48],
    ]);
  });

  test("the head of tied embeddings is the embedding table", () => {
    const { head } = describeModel({ ...config, tiedEmbeddings: true }, "per_expert");

    expect(head[1]?.tensor).toBe("model.embed_tokens.weight");
  });
});

describe("expertTensorLayout", () => {
  const stacked = (gateUp: readonly number[], down: readonly number[]) =>
    new Map([
      ["model.layers.0.mlp.experts.gate_up_proj", { shape: gateUp }],
      ["model.layers.0.mlp.experts.down_proj", { shape: down }],
    ]);

  test.each([
    [6, [8, 12], [6, 8], "stacked_in_out"],
    [6, [12, 8], [8, 6], "stacked_out_in"],
    [4, [8, 8], [4, 8], "stacked_in_out"],
    [8, [16, 8], [8, 8], "stacked_out_in"],
  ] as const)("an expert of width %i with blocks %j and %j is %s", (expertIntermediateSize, gateUp, down, layout) => {
    expect(expertTensorLayout({ ...config, expertIntermediateSize }, stacked(gateUp, down))).toBe(layout);
  });

  test("experts with a tensor per matrix need no shapes", () => {
    const tensors = new Map([["model.layers.0.mlp.experts.3.gate_proj.weight", { shape: [6, 8] }]]);

    expect(expertTensorLayout(config, tensors)).toBe("per_expert");
  });

  test("blocks of another size are ours to repair", () => {
    expect(() => expertTensorLayout(config, stacked([8, 10], [5, 8]))).toThrow(
      expect.objectContaining({ code: "EVALUATION_MODEL_INVALID" }),
    );
  });
});
