import { describe, expect, test } from "vitest";
import { ARCHITECTURES } from "./config.ts";
import { modelConfigJson, parseModelConfig } from "./config-json.ts";
import { exampleConfig } from "./example-config.ts";

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

// biome-ignore lint/suspicious/noApproximativeNumericConstant: the published number is not the root of a half
const MSCALE = 0.707;

/** `config.json` of DeepSeek-V2, without the fields that do not change the result. */
const deepseek = {
  architectures: ["DeepseekV2ForCausalLM"],
  attention_bias: false,
  first_k_dense_replace: 1,
  hidden_act: "silu",
  hidden_size: 5120,
  intermediate_size: 12_288,
  kv_lora_rank: 512,
  max_position_embeddings: 163_840,
  moe_intermediate_size: 1536,
  moe_layer_freq: 1,
  n_group: 8,
  n_routed_experts: 160,
  n_shared_experts: 2,
  norm_topk_prob: false,
  num_attention_heads: 128,
  num_experts_per_tok: 6,
  num_hidden_layers: 60,
  num_key_value_heads: 128,
  q_lora_rank: 1536,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  rms_norm_eps: 1e-6,
  rope_scaling: {
    beta_fast: 32,
    beta_slow: 1,
    factor: 40,
    mscale: MSCALE,
    mscale_all_dim: MSCALE,
    original_max_position_embeddings: 4096,
    type: "yarn",
  },
  rope_theta: 10_000,
  routed_scaling_factor: 16.0,
  scoring_func: "softmax",
  tie_word_embeddings: false,
  topk_group: 3,
  topk_method: "group_limited_greedy",
  v_head_dim: 128,
  vocab_size: 102_400,
};

/** Of Mixtral-8x7B. */
const mixtral = {
  architectures: ["MixtralForCausalLM"],
  hidden_act: "silu",
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_attention_heads: 32,
  num_experts_per_tok: 2,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  num_local_experts: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 1_000_000,
  sliding_window: null,
  tie_word_embeddings: false,
  vocab_size: 32_000,
};

/** Of OLMoE-1B-7B. */
const olmoe = {
  architectures: ["OlmoeForCausalLM"],
  attention_bias: false,
  clip_qkv: null,
  hidden_act: "silu",
  hidden_size: 2048,
  intermediate_size: 1024,
  norm_topk_prob: false,
  num_attention_heads: 16,
  num_experts: 64,
  num_experts_per_tok: 8,
  num_hidden_layers: 16,
  num_key_value_heads: 16,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  vocab_size: 50_304,
};

describe("parseModelConfig", () => {
  test("reads a published Qwen3-MoE", () => {
    expect(parseModelConfig(published)).toEqual({
      architecture: "qwen3_moe",
      vocabularySize: 151_936,
      hiddenSize: 2048,
      layers: 48,
      attention: {
        kind: "grouped",
        heads: 32,
        keyValueHeads: 4,
        headDim: 128,
        bias: false,
        norm: "per_head",
        clip: null,
        window: null,
      },
      rotary: { theta: 1_000_000, scaling: { type: "default" } },
      experts: 128,
      expertsPerToken: 8,
      expertIntermediateSize: 768,
      routing: { normalizeTopK: true, scale: 1, groupLimit: null },
      denseLayers: [],
      denseIntermediateSize: null,
      sharedIntermediateSize: null,
      rmsNormEpsilon: 1e-6,
      tiedEmbeddings: false,
    });
  });

  test("reads the language model inside a Qwen3-VL-MoE", () => {
    const { architectures: _, tie_word_embeddings: __, norm_topk_prob: ___, ...text } = published;
    const rope_scaling = { mrope_interleaved: true, mrope_section: [24, 20, 20], rope_type: "default" };
    const config = parseModelConfig({
      architectures: ["Qwen3VLMoeForConditionalGeneration"],
      text_config: { ...text, rope_scaling, rope_theta: 5_000_000, use_sliding_window: true, sliding_window: 16 },
      vision_config: { depth: 27 },
      tie_word_embeddings: false,
    });

    expect(config).toEqual({
      ...parseModelConfig(published),
      architecture: "qwen3_vl_moe",
      rotary: { theta: 5_000_000, scaling: { type: "default" } },
    });
  });

  test("reads a published DeepSeek-V2", () => {
    expect(parseModelConfig(deepseek)).toEqual({
      architecture: "deepseek_v2",
      vocabularySize: 102_400,
      hiddenSize: 5120,
      layers: 60,
      attention: {
        kind: "latent",
        heads: 128,
        queryRank: 1536,
        keyValueRank: 512,
        plainDim: 128,
        rotaryDim: 64,
        valueDim: 128,
        bias: false,
      },
      rotary: {
        theta: 10_000,
        scaling: {
          type: "yarn",
          factor: 40,
          originalPositions: 4096,
          betaFast: 32,
          betaSlow: 1,
          truncate: true,
          attentionFactor: null,
          mscale: MSCALE,
          mscaleAllDim: MSCALE,
        },
      },
      experts: 160,
      expertsPerToken: 6,
      expertIntermediateSize: 1536,
      routing: { normalizeTopK: false, scale: 16, groupLimit: { groups: 8, kept: 3 } },
      denseLayers: [0],
      denseIntermediateSize: 12_288,
      sharedIntermediateSize: 3072,
      rmsNormEpsilon: 1e-6,
      tiedEmbeddings: false,
    });
  });

  test("reads a published Mixtral", () => {
    expect(parseModelConfig(mixtral)).toMatchObject({
      architecture: "mixtral",
      attention: { heads: 32, keyValueHeads: 8, headDim: 128, norm: "none", window: null },
      rotary: { theta: 1_000_000 },
      experts: 8,
      expertsPerToken: 2,
      expertIntermediateSize: 14_336,
      routing: { normalizeTopK: true, scale: 1 },
      rmsNormEpsilon: 1e-5,
    });
    expect(parseModelConfig({ ...mixtral, sliding_window: 4096 }).attention).toMatchObject({
      window: 4096,
    });
  });

  test("reads a published OLMoE", () => {
    expect(parseModelConfig(olmoe)).toMatchObject({
      architecture: "olmoe",
      attention: { heads: 16, keyValueHeads: 16, headDim: 128, norm: "all_heads", clip: null },
      experts: 64,
      expertIntermediateSize: 1024,
      routing: { normalizeTopK: false },
      rmsNormEpsilon: 1e-5,
    });
    expect(parseModelConfig({ ...olmoe, clip_qkv: 8 }).attention).toMatchObject({ clip: 8 });
  });

  test.each([
    ["all that are not a multiple of the step", { decoder_sparse_step: 2, num_hidden_layers: 5 }, [0, 2, 4]],
    ["those listed", { mlp_only_layers: [3, 1, 99], num_hidden_layers: 4 }, [1, 3]],
  ])("Qwen3's dense layers are %s", (_, change, denseLayers) => {
    const config = parseModelConfig({ ...published, ...change });

    expect(config).toMatchObject({ denseLayers, denseIntermediateSize: 6144 });
  });

  test("DeepSeek's dense layers are the first and those between two routing ones", () => {
    const change = { first_k_dense_replace: 2, moe_layer_freq: 2, num_hidden_layers: 6 };

    expect(parseModelConfig({ ...deepseek, ...change }).denseLayers).toEqual([0, 1, 3, 5]);
  });

  test("DeepSeek either divides shares by their sum or scales them", () => {
    const routing = (change: object) => parseModelConfig({ ...deepseek, topk_method: "greedy", ...change }).routing;

    expect(routing({})).toEqual({ normalizeTopK: false, scale: 16, groupLimit: null });
    expect(routing({ norm_topk_prob: true })).toEqual({ normalizeTopK: true, scale: 1, groupLimit: null });
    expect(routing({ norm_topk_prob: true, num_experts_per_tok: 1 })).toEqual({
      normalizeTopK: false,
      scale: 16,
      groupLimit: null,
    });
  });

  test.each([
    [{}, null],
    [{ use_sliding_window: true, sliding_window: null }, null],
    [{ use_sliding_window: false, sliding_window: 64 }, null],
    [{ use_sliding_window: true, sliding_window: 64 }, 64],
    [{ use_sliding_window: true, sliding_window: 64, max_window_layers: 12 }, 64],
  ])("Qwen3's window with %j is %j", (change, window) => {
    expect(parseModelConfig({ ...published, ...change }).attention).toMatchObject({ window });
  });

  test("takes positions from either place where Transformers keeps them", () => {
    const { rope_theta: _, ...without } = published;
    const rotary = (change: object) => parseModelConfig({ ...without, ...change }).rotary;

    expect(rotary({})).toEqual({ theta: 10_000, scaling: { type: "default" } });
    expect(rotary({ rope_parameters: { rope_type: "default", rope_theta: 500_000 } }).theta).toBe(500_000);
    expect(rotary({ rope_theta: 7000, rope_scaling: { type: "linear", factor: 4 } })).toEqual({
      theta: 7000,
      scaling: { type: "linear", factor: 4 },
    });
    expect(rotary({ rope_parameters: { rope_type: "linear", rope_theta: 7000, factor: 4 } })).toEqual({
      theta: 7000,
      scaling: { type: "linear", factor: 4 },
    });
  });

  test.each([
    ["takes its length from the model", { rope_scaling: { type: "yarn", factor: 4 } }, 4, 32_768],
    [
      "takes its factor from two lengths",
      { rope_scaling: { type: "yarn", original_max_position_embeddings: 4096 } },
      8,
      4096,
    ],
  ])("yarn without it %s", (_, change, factor, originalPositions) => {
    expect(parseModelConfig({ ...published, max_position_embeddings: 32_768, ...change }).rotary.scaling).toEqual({
      type: "yarn",
      factor,
      originalPositions,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
      attentionFactor: null,
      mscale: 1,
      mscaleAllDim: 0,
    });
  });

  test.each([
    [{ architectures: ["DeepseekV3ForCausalLM"] }, 'Model needs architectures ["DeepseekV3ForCausalLM"]'],
    [{ architectures: undefined }, "Model needs architectures missing"],
    [{ hidden_act: "gelu" }, 'Model needs hidden_act "gelu"'],
    [{ rope_scaling: { type: "longrope", factor: 4 } }, 'Model needs rope_scaling {"type":"longrope","factor":4}'],
    [{ rope_parameters: { rope_type: "ntk" } }, 'Model needs rope_parameters {"rope_type":"ntk"}'],
    [
      { rope_parameters: { full_attention: { rope_type: "default" } } },
      'Model needs rope_parameters {"full_attention":{"rope_type":"default"}}',
    ],
    [{ partial_rotary_factor: 0.5 }, "Model needs partial_rotary_factor 0.5"],
    [{ quantization_config: { bits: 4 } }, 'Model needs quantization_config {"bits":4}'],
    [{ decoder_sparse_step: 50 }, "Model needs routed_layers 0"],
    [{ num_hidden_layers: 1, layer_types: ["sliding_attention"] }, 'Model needs layer_types ["sliding_attention"]'],
    [{ ...mixtral, attention_bias: true }, "Model needs attention_bias true"],
    [{ ...olmoe, head_dim: 64 }, "Model needs head_dim 64"],
    [{ ...deepseek, scoring_func: "sigmoid" }, 'Model needs scoring_func "sigmoid"'],
    [{ ...deepseek, topk_method: "noaux_tc" }, 'Model needs topk_method "noaux_tc"'],
    [{ ...deepseek, num_key_value_heads: 8 }, "Model needs num_key_value_heads 8"],
    [{ ...deepseek, mlp_bias: true }, "Model needs mlp_bias true"],
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
    [{ mlp_only_layers: "0" }, 'Model\'s mlp_only_layers is "0", not a list of layers'],
    [{ rope_scaling: { type: "linear" } }, "Model's factor is undefined, not a positive number"],
    [{ architectures: ["Qwen3VLMoeForConditionalGeneration"] }, "Model's text_config is not an object"],
    [{ ...deepseek, n_group: 7 }, "Model's n_group is 7, which does not divide 160 experts"],
    [{ ...deepseek, topk_group: 9 }, "Model's topk_group is 9, more than the 8 groups there are"],
  ])("refuses %j as contradictory", (change, message) => {
    expect(() => parseModelConfig({ ...published, ...change })).toThrow(
      expect.objectContaining({ code: "EVALUATION_MODEL_INVALID", message }),
    );
  });
});

describe("modelConfigJson", () => {
  test.each([
    [published],
    [{ ...published, tie_word_embeddings: true, norm_topk_prob: false, attention_bias: true, mlp_only_layers: [0, 3] }],
    [{ ...published, use_sliding_window: true, sliding_window: 8 }],
    [{ ...published, rope_scaling: { rope_type: "dynamic", factor: 2 }, max_position_embeddings: 64 }],
    [
      {
        ...published,
        rope_scaling: {
          rope_type: "llama3",
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 8192,
        },
      },
    ],
    [mixtral],
    [{ ...mixtral, sliding_window: 512, rope_parameters: { rope_type: "linear", rope_theta: 9, factor: 3 } }],
    [olmoe],
    [{ ...olmoe, clip_qkv: 8, attention_bias: true }],
    [deepseek],
    [{ ...deepseek, q_lora_rank: null, n_shared_experts: null, moe_layer_freq: 2, topk_method: "greedy" }],
    [{ architectures: ["Qwen3VLMoeForConditionalGeneration"], text_config: published, tie_word_embeddings: true }],
  ])("%#: writes what is read back as the same configuration", (json) => {
    const config = parseModelConfig(json);

    expect(parseModelConfig(modelConfigJson(config))).toEqual(config);
  });

  test.each(ARCHITECTURES)("the example of %s is a configuration that its architecture can have", (architecture) => {
    const config = exampleConfig(architecture, { layers: 3, heads: 2 });

    expect(modelConfigJson(config)).toMatchObject({ model_type: architecture });
  });

  test("refuses what an architecture cannot be", () => {
    const config = parseModelConfig(mixtral);

    expect(() => modelConfigJson({ ...config, tiedEmbeddings: true, sharedIntermediateSize: 8 })).toThrow(RangeError);
  });
});
