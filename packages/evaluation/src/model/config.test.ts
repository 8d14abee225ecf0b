import { describe, expect, test } from "vitest";
import { modelConfigJson, parseModelConfig } from "./config.ts";

/** `config.json` of Qwen3-30B-A3B, without the fields that do not change the result. */
const published = {
  architectures: ["Qwen3MoeForCausalLM"],
  attention_bias: false,
  decoder_sparse_step: 1,
  head_dim: 128,
  hidden_act: "silu",
  hidden_size: 2048,
  intermediate_size: 6144,
  mlp_only_layers: [],
  moe_intermediate_size: 768,
  norm_topk_prob: true,
  num_attention_heads: 32,
  num_experts: 128,
  num_experts_per_tok: 8,
  num_hidden_layers: 48,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1_000_000,
  sliding_window: null,
  tie_word_embeddings: false,
  use_sliding_window: false,
  vocab_size: 151_936,
};

describe("parseModelConfig", () => {
  test("reads a published configuration", () => {
    expect(parseModelConfig(published)).toEqual({
      vocabularySize: 151_936,
      hiddenSize: 2048,
      layers: 48,
      attentionHeads: 32,
      keyValueHeads: 4,
      headDim: 128,
      experts: 128,
      expertsPerToken: 8,
      expertIntermediateSize: 768,
      normalizeTopK: true,
      rmsNormEpsilon: 1e-6,
      ropeTheta: 1_000_000,
      tiedEmbeddings: false,
    });
  });

  test("reads back what it writes", () => {
    const config = parseModelConfig({ ...published, tie_word_embeddings: true, norm_topk_prob: false });

    expect(parseModelConfig(modelConfigJson(config))).toEqual(config);
  });

  test("takes positions from either place where Transformers keeps them", () => {
    const { rope_theta: _, ...without } = published;

    expect(parseModelConfig(without).ropeTheta).toBe(10_000);
    expect(
      parseModelConfig({ ...without, rope_parameters: { rope_type: "default", rope_theta: 500_000 } }).ropeTheta,
    ).toBe(500_000);
  });

  test.each([
    [{ architectures: ["DeepseekV3ForCausalLM"] }, 'Model needs architectures ["DeepseekV3ForCausalLM"]'],
    [{ architectures: undefined }, "Model needs architectures missing"],
    [{ hidden_act: "gelu" }, 'Model needs hidden_act "gelu"'],
    [{ attention_bias: true }, "Model needs attention_bias true"],
    [{ use_sliding_window: true }, "Model needs use_sliding_window true"],
    [{ rope_scaling: { type: "yarn", factor: 4 } }, 'Model needs rope_scaling {"type":"yarn","factor":4}'],
    [{ decoder_sparse_step: 2 }, "Model needs decoder_sparse_step 2"],
    [{ mlp_only_layers: [0] }, "Model needs mlp_only_layers [0]"],
    [{ quantization_config: { bits: 4 } }, 'Model needs quantization_config {"bits":4}'],
  ])("refuses %j by name", (change, message) => {
    expect(() => parseModelConfig({ ...published, ...change })).toThrow(
      expect.objectContaining({ code: "EVALUATION_MODEL_UNSUPPORTED", message }),
    );
  });

  test.each([
    [{ hidden_size: 0 }, "Model's hidden_size is 0, not a positive integer"],
    [{ num_experts: undefined }, "Model's num_experts is undefined, not a positive integer"],
    [{ num_experts_per_tok: 129 }, "Model's num_experts_per_tok is 129, more than the 128 experts there are"],
    [{ num_key_value_heads: 5 }, "Model's num_key_value_heads is 5, which does not divide 32 attention heads"],
    [{ head_dim: 7 }, "Model's head_dim is 7, not an even integer"],
    [{ rms_norm_eps: "small" }, 'Model\'s rms_norm_eps is "small", not a positive number'],
    [{ tie_word_embeddings: 1 }, "Model's tie_word_embeddings is 1, not true or false"],
  ])("refuses %j as contradictory", (change, message) => {
    expect(() => parseModelConfig({ ...published, ...change })).toThrow(
      expect.objectContaining({ code: "EVALUATION_MODEL_INVALID", message }),
    );
  });
});
