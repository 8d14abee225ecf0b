import { describe, expect, test } from "vitest";
import type { ModelConfig } from "./config.ts";
import { describeModel } from "./description.ts";
import { expertTensorLayout } from "./expert-layout.ts";
import type { WeightInput } from "./weight-input.ts";

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
