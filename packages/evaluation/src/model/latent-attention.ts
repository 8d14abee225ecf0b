import type { Graph } from "../onnx/graph.ts";
import type { LatentAttention, ModelConfig } from "./config.ts";
import { attend, batched, linear, rmsNorm, rotate } from "./operators.ts";
import { yarnScale } from "./rotary-table.ts";
import type { WeightInput } from "./weight-input.ts";

/** The published code builds the two inner norms without the configured epsilon. */
const LATENT_NORM_EPSILON = 1e-6;

/** Inputs that {@link latentAttention} takes, each with the ending of its tensor's name. */
export function latentAttentionInputs({ hiddenSize }: ModelConfig, attention: LatentAttention): readonly WeightInput[] {
  const { heads, queryRank, keyValueRank, plainDim, rotaryDim, valueDim, bias } = attention;
  const weight = (input: string, name: string, ...shape: readonly number[]): WeightInput => ({
    input,
    tensor: `self_attn.${name}.weight`,
    shape,
  });
  const biasOf = (input: string, name: string, width: number): readonly WeightInput[] =>
    bias ? [{ input: `${input}Bias`, tensor: `self_attn.${name}.bias`, shape: [width] }] : [];
  const queryWidth = heads * (plainDim + rotaryDim);
  const latentWidth = keyValueRank + rotaryDim;
  const query =
    queryRank === null
      ? [weight("query", "q_proj", queryWidth, hiddenSize)]
      : [
          weight("queryDown", "q_a_proj", queryRank, hiddenSize),
          ...biasOf("queryDown", "q_a_proj", queryRank),
          weight("queryNorm", "q_a_layernorm", queryRank),
          weight("queryUp", "q_b_proj", queryWidth, queryRank),
        ];
  return [
    ...query,
    weight("keyValueDown", "kv_a_proj_with_mqa", latentWidth, hiddenSize),
    ...biasOf("keyValueDown", "kv_a_proj_with_mqa", latentWidth),
    weight("keyValueNorm", "kv_a_layernorm", keyValueRank),
    weight("keyValueUp", "kv_b_proj", heads * (plainDim + valueDim), keyValueRank),
    weight("output", "o_proj", hiddenSize, heads * valueDim),
    ...biasOf("output", "o_proj", hiddenSize),
  ];
}

/** Adds attention to the graph: from the normed hidden state to what is added to the residual, both `[N, hidden]`. */
export function latentAttention(graph: Graph, config: ModelConfig, attention: LatentAttention, normed: string): string {
  const { heads, plainDim, rotaryDim, valueDim, bias } = attention;
  const query = queries(graph, attention, normed);
  const { key, value } = keysAndValues(graph, attention, normed);
  const whole = (x: string) => batched(graph, x, heads * (plainDim + rotaryDim));
  const inputs = { query: whole(query), key: whole(key), value: batched(graph, value, heads * valueDim) };
  const attended = attend(graph, inputs, {
    heads,
    keyValueHeads: heads,
    scale: scoreScale(config, attention),
    window: null,
  });
  const flat = graph.node("Reshape", [attended, graph.int64(-1, heads * valueDim)]);
  return linear(graph, flat, "output", bias ? "outputBias" : undefined);
}

/**
 * Yarn's scale stands squared, since queries and keys were both to grow by it.
 *
 * @see https://huggingface.co/deepseek-ai/DeepSeek-V2 `modeling_deepseek.py`, `softmax_scale`
 */
function scoreScale({ rotary: { scaling } }: ModelConfig, { plainDim, rotaryDim }: LatentAttention): number {
  const grown = scaling.type === "yarn" ? yarnScale(scaling.factor, scaling.mscaleAllDim) : 1;
  return grown ** 2 / Math.sqrt(plainDim + rotaryDim);
}

/** `[N, heads, plain + rotary]` */
function queries(graph: Graph, attention: LatentAttention, normed: string): string {
  const { heads, queryRank, plainDim, rotaryDim, bias } = attention;
  const rows = queryRank === null ? linear(graph, normed, "query") : lowRank(graph, normed, "query", bias);
  const perHead = graph.node("Reshape", [rows, graph.int64(-1, heads, plainDim + rotaryDim)]);
  const [plain, placed] = split(graph, perHead, [plainDim, rotaryDim]);
  const turned = rotate(graph, batched(graph, placed, heads * rotaryDim), heads, "neighbours");
  const turnedHeads = graph.node("Reshape", [turned, graph.int64(-1, heads, rotaryDim)]);
  return graph.node("Concat", [plain, turnedHeads], { axis: -1 });
}

/** `[N, heads, plain + rotary]` and `[N, heads, value]`; the turned part of a key is the same in every head. */
function keysAndValues(
  graph: Graph,
  attention: LatentAttention,
  normed: string,
): Readonly<Record<"key" | "value", string>> {
  const { heads, keyValueRank, plainDim, rotaryDim, valueDim, bias } = attention;
  const down = linear(graph, normed, "keyValueDown", bias ? "keyValueDownBias" : undefined);
  const [latent, placed] = split(graph, down, [keyValueRank, rotaryDim]);
  const up = linear(graph, rmsNorm(graph, latent, "keyValueNorm", LATENT_NORM_EPSILON), "keyValueUp");
  const perHead = graph.node("Reshape", [up, graph.int64(-1, heads, plainDim + valueDim)]);
  const [plain, value] = split(graph, perHead, [plainDim, valueDim]);
  const turned = rotate(graph, batched(graph, placed, rotaryDim), 1, "neighbours");
  const shared = graph.node("Reshape", [turned, graph.int64(-1, 1, rotaryDim)]);
  const repeated = graph.node("Expand", [shared, graph.int64(1, heads, 1)]);
  return { key: graph.node("Concat", [plain, repeated], { axis: -1 }), value };
}

function lowRank(graph: Graph, x: string, input: string, bias: boolean): string {
  const down = linear(graph, x, `${input}Down`, bias ? `${input}DownBias` : undefined);
  return linear(graph, rmsNorm(graph, down, `${input}Norm`, LATENT_NORM_EPSILON), `${input}Up`);
}

function split(graph: Graph, x: string, widths: readonly [number, number]): readonly [string, string] {
  return graph.node("Split", [x, graph.int64(...widths)], { axis: -1 }, { outputs: 2 });
}
