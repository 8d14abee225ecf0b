import { describe, expect, test } from "vitest";
import { BASE_CONFIGS, withFields } from "./base-configs.ts";
import type { ConfigJson, ModelType } from "./config-json.ts";
import { meanLoss, tokenLosses } from "./model.ts";
import { MODEL_TYPES, SEQUENCE_LENGTH } from "./model-cases.ts";
import { randomSequences, randomTensors, stacked } from "./random-tensors.ts";
import { type PlainTensor, type PlainTensors, tensorAt } from "./tensors.ts";

/** Each architecture with all tensors that it can have. */
const FULL_CONFIGS: readonly (readonly [ModelType, ConfigJson])[] = MODEL_TYPES.map((type) => [
  type,
  withFields(BASE_CONFIGS[type], {
    attention_bias: type !== "mixtral",
    ...(type === "deepseek_v2" ? { q_lora_rank: 14 } : {}),
    ...(type.startsWith("qwen3") ? { mlp_only_layers: [0] } : {}),
  }),
]);
const sequences = randomSequences(2, { length: SEQUENCE_LENGTH, vocabulary: 256, seed: 2 });

describe("a model small enough for a pencil", () => {
  const config = {
    model_type: "mixtral",
    vocab_size: 2,
    hidden_size: 2,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    rms_norm_eps: 0,
    num_local_experts: 1,
    num_experts_per_tok: 1,
    intermediate_size: 1,
  };
  const layer = "model.layers.0.";
  const tensors = pencilTensors({
    "model.embed_tokens.weight": [
      [1, 1],
      [1, -1],
    ],
    [`${layer}input_layernorm.weight`]: [1, 1],
    [`${layer}self_attn.q_proj.weight`]: [
      [0, 0],
      [0, 0],
    ],
    [`${layer}self_attn.k_proj.weight`]: [
      [1, 0],
      [0, 1],
    ],
    [`${layer}self_attn.v_proj.weight`]: [
      [1, 0],
      [0, 1],
    ],
    [`${layer}self_attn.o_proj.weight`]: [
      [1, 0],
      [0, 1],
    ],
    [`${layer}post_attention_layernorm.weight`]: [1, 1],
    [`${layer}block_sparse_moe.gate.weight`]: [[3, 4]],
    [`${layer}block_sparse_moe.experts.0.w1.weight`]: [[1, 0]],
    [`${layer}block_sparse_moe.experts.0.w3.weight`]: [[0, 1]],
    [`${layer}block_sparse_moe.experts.0.w2.weight`]: [[1], [0]],
    "model.norm.weight": [1, 1],
    "lm_head.weight": [
      [1, 0],
      [0, 1],
    ],
  });

  test("has the loss that the pencil gives", () => {
    // First token [1, 1]: sees itself, [2, 2]; the expert adds silu(1)·1 to the first element: [2.731059, 2]; normed
    // [1.140982, 0.835560]; ln(1 + e^(1.140982 - 0.835560)) for the second token. Second token [1, -1]: sees the mean of
    // both, [2, -1], normed [1.264911, -0.632456]; the expert adds silu(1.264911)·(-0.632456): [1.376104, -1].
    const [losses] = tokenLosses(config, tensors, [Uint32Array.of(0, 1, 0)]);

    expect(losses).toHaveLength(2);
    expect(losses?.[0]).toBeCloseTo(0.8574733, 6);
    expect(losses?.[1]).toBeCloseTo(0.1298915, 6);
    expect(meanLoss(config, tensors, [Uint32Array.of(0, 1, 0)])).toBeCloseTo(0.4936824, 6);
  });

  test("guesses when its head knows nothing", () => {
    const blind = replaced(tensors, "lm_head.weight", () => 0);

    expect(meanLoss(config, blind, [Uint32Array.of(0, 1, 0)])).toBeCloseTo(Math.LN2, 12);
  });
});

describe.each(FULL_CONFIGS)("%s", (_, config) => {
  const tensors = randomTensors(config, 17);
  const losses = tokenLosses(config, tensors, sequences);

  test("does not look ahead: another token changes no earlier loss, and the later ones", () => {
    const changed = sequences.map((sequence) => sequence.with(8, ((sequence[8] ?? 0) + 1) % 256));
    const others = tokenLosses(config, tensors, changed);

    for (const [sequence, tokens] of losses.entries()) {
      // Position 7 predicts the changed token, position 8 sees it.
      expect(others[sequence]?.slice(0, 7)).toEqual(tokens.slice(0, 7));
      for (const position of [8, 12, SEQUENCE_LENGTH - 1]) {
        expect(others[sequence]?.[position]).not.toBeCloseTo(tokens[position] ?? Number.NaN, 6);
      }
    }
  });

  test("has the same loss in any company", () => {
    expect(tokenLosses(config, tensors, sequences.slice(1))).toEqual(losses.slice(1));
  });

  test("needs each of its tensors", () => {
    const unneeded = [...tensors.keys()].filter((name) => {
      const others = tokenLosses(config, replaced(tensors, name, mirrored), sequences);
      return largestDifference(others, losses) < 1e-3;
    });

    expect(unneeded).toEqual([]);
  });

  test.each(["inputs_first", "outputs_first"] as const)("is the same with stacked experts, %s", (layout) => {
    expect(largestDifference(tokenLosses(config, stacked(tensors, layout), sequences), losses)).toBe(0);
  });
});

test("a vision model's language model is Qwen3-MoE under other names", () => {
  const vision = BASE_CONFIGS.qwen3_vl_moe;
  const text: ConfigJson = { ...vision.text_config, rope_scaling: null, model_type: "qwen3_moe" };
  const tensors = randomTensors(vision, 4);
  const renamed = new Map([...tensors].map(([name, tensor]) => [name.replace("language_model.", ""), tensor]));

  expect(tokenLosses(text, renamed, sequences)).toEqual(tokenLosses(vision, tensors, sequences));
});

test("sharing a head of keys and values is the same as having it twice", () => {
  const shared = withFields(BASE_CONFIGS.mixtral, { num_key_value_heads: 2 });
  const separate = withFields(shared, { num_key_value_heads: 4 });
  const tensors = randomTensors(shared, 5);
  const doubled = new Map(
    [...tensors].map(([name, tensor]) => [name, /[kv]_proj/.test(name) ? withHeadsTwice(tensor, 6) : tensor]),
  );

  expect(tokenLosses(separate, doubled, sequences)).toEqual(tokenLosses(shared, tensors, sequences));
});

test("beyond a window nothing matters in a model of one layer", () => {
  const config = withFields(BASE_CONFIGS.mixtral, { num_hidden_layers: 1, sliding_window: 4 });
  const tensors = randomTensors(config, 6);
  const [first] = sequences as [Uint32Array];
  const [before] = tokenLosses(config, tensors, [first]);
  const [after] = tokenLosses(config, tensors, [first.with(5, ((first[5] ?? 0) + 1) % 256)]);

  expect(after?.slice(9)).toEqual(before?.slice(9));
  expect(after?.[8]).not.toBeCloseTo(before?.[8] ?? Number.NaN, 6);
});

function pencilTensors(
  values: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>,
): PlainTensors {
  return new Map(
    Object.entries(values).map(([name, rows]) => {
      const [first] = rows;
      const shape = typeof first === "number" ? [rows.length] : [rows.length, first?.length ?? 0];
      return [name, { shape, values: Float64Array.from(rows.flat()) }];
    }),
  );
}

function replaced(
  tensors: PlainTensors,
  name: string,
  change: (value: number, index: number, values: PlainTensor["values"]) => number,
): PlainTensors {
  const { shape, values } = tensorAt(tensors, name);
  return new Map(tensors).set(name, {
    shape,
    values: Float64Array.from(values, (value, index) => change(value, index, values)),
  });
}

/** The same values in the opposite order. */
function mirrored(_: number, index: number, values: PlainTensor["values"]): number {
  return values[values.length - 1 - index] ?? Number.NaN;
}

function withHeadsTwice({ shape, values }: PlainTensor, headWidth: number): PlainTensor {
  const [rows = 0, columns = 0] = shape;
  const size = headWidth * columns;
  const heads = Array.from({ length: rows / headWidth }, (_, head) => [
    ...values.slice(head * size, (head + 1) * size),
  ]);
  return { shape: [rows * 2, columns], values: Float64Array.from(heads.flatMap((head) => [...head, ...head])) };
}

function largestDifference(left: readonly (readonly number[])[], right: readonly (readonly number[])[]): number {
  return Math.max(
    ...left.flatMap((losses, sequence) =>
      losses.map((loss, position) => Math.abs(loss - (right[sequence]?.[position] ?? Number.NaN))),
    ),
  );
}
