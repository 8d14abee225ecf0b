import { add, linear, type Matrix, multiply, scale, silu, type Vector } from "./linear-algebra.ts";
import { chooseExperts, type Routing } from "./routing.ts";
import { matrix, type PlainTensors, stackedMatrix, tensorAt } from "./tensors.ts";

/** `down(silu(gate x) ∘ up x)`. */
export interface GatedWeights {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
}

export interface RoutedFeedForward {
  readonly routing: Routing;
  /** Whether every token also passes through one more expert, with a share of 1. */
  readonly shared: boolean;
}

export function gated({ gate, up, down }: GatedWeights, x: Vector): Vector {
  return linear(down, multiply(silu(linear(gate, x)), linear(up, x)));
}

/** Weights under `<name>gate_proj.weight` and so on: dense layers, shared experts, most routed experts. */
export function gatedWeights(tensors: PlainTensors, name: string): GatedWeights {
  const part = (projection: string) => matrix(tensors, `${name}${projection}_proj.weight`);
  return { gate: part("gate"), up: part("up"), down: part("down") };
}

/**
 * A layer's experts, each token through those that its router chooses.
 *
 * @param name prefix of the layer's tensors, `model.layers.0.`.
 * @param inputs one vector per position, normalised.
 */
export function routed(
  { routing, shared }: RoutedFeedForward,
  { tensors, name }: { readonly tensors: PlainTensors; readonly name: string },
  inputs: readonly Vector[],
): readonly Vector[] {
  const block = `${name}${tensors.has(`${name}mlp.gate.weight`) ? "mlp" : "block_sparse_moe"}.`;
  const router = matrix(tensors, `${block}gate.weight`);
  const experts = Array.from({ length: routing.experts }, (_, expert) => expertWeights(tensors, block, expert));
  const sharedExpert = shared ? gatedWeights(tensors, `${block}shared_experts.`) : null;
  return inputs.map((x) => {
    const outputs = chooseExperts(linear(router, x), routing).map(({ expert, share }) =>
      scale(gated(experts[expert] as GatedWeights, x), share),
    );
    return [...outputs, ...(sharedExpert === null ? [] : [gated(sharedExpert, x)])].reduce(add);
  });
}

/** One expert by itself or from a stack, by the names of the hub; Mixtral's own names are w1, w3 and w2. */
function expertWeights(tensors: PlainTensors, block: string, expert: number): GatedWeights {
  const name = `${block}experts.`;
  if (tensors.has(`${name}gate_up_proj`)) return stackedWeights(tensors, name, expert);
  if (!tensors.has(`${name}${expert}.w1.weight`)) return gatedWeights(tensors, `${name}${expert}.`);
  const part = (projection: string) => matrix(tensors, `${name}${expert}.${projection}.weight`);
  return { gate: part("w1"), up: part("w3"), down: part("w2") };
}

/**
 * Gate and up lie in one block, gate first. Qwen3-VL-MoE stores `[inputs, outputs]`, newer Transformers the other way
 * round; of the two blocks at least one is not square and tells.
 */
function stackedWeights(tensors: PlainTensors, name: string, index: number): GatedWeights {
  const gateUpShape = tensorAt(tensors, `${name}gate_up_proj`).shape;
  const downShape = tensorAt(tensors, `${name}down_proj`).shape;
  const inputsFirst = gateUpShape[1] === downShape[2];
  const [width = 0, hidden = 0] = inputsFirst ? downShape.slice(1) : downShape.slice(1).reverse();
  const gateUp = stackedMatrix(tensors, `${name}gate_up_proj`, { index, inputsFirst });
  const down = stackedMatrix(tensors, `${name}down_proj`, { index, inputsFirst });
  const size = width * hidden;
  const half = (first: number) => ({
    rows: width,
    columns: hidden,
    values: gateUp.values.subarray(first, first + size),
  });
  return { gate: half(0), up: half(size), down };
}
