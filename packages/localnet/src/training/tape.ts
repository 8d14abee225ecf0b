import { ElementType } from "@assay/evaluation/onnx/encoder";
import type { Graph } from "@assay/evaluation/onnx/graph";

/** A float32 value of the graph. Its shape is known while the graph is built. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** From the gradient of an operation's output, the gradient of each of its inputs; asked only for those that need one. */
export type Backward = (gradient: Value) => readonly (() => Value)[];

interface Step {
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly backward: Backward;
}

/**
 * Reverse-mode differentiation that happens while the graph is built: each differentiable operation adds its ONNX nodes
 * and leaves its rule here; {@link Tape.gradients} then adds the nodes of the chain rule. The finished graph is plain
 * ONNX, so an inference session trains.
 */
export class Tape {
  readonly graph: Graph;
  private readonly steps: Step[] = [];
  private readonly trainable = new Set<string>();

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** A tensor fed at run time; a trainable one is what {@link Tape.gradients} may be asked for. */
  parameter(name: string, shape: readonly number[], isTrainable: boolean): Value {
    this.graph.input(name, ElementType.float32, shape);
    if (isTrainable) this.trainable.add(name);
    return { name, shape };
  }

  /** A constant that travels in the graph; it has no gradient. */
  constant(name: string, values: Float32Array, shape: readonly number[]): Value {
    this.graph.initializer({
      name,
      type: ElementType.float32,
      dims: shape,
      bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    });
    return { name, shape };
  }

  /** Adds one node that has one output. */
  emit(
    op: string,
    inputs: readonly (Value | string)[],
    shape: readonly number[],
    attributes: Parameters<Graph["node"]>[2] = {},
  ): Value {
    const names = inputs.map((input) => (typeof input === "string" ? input : input.name));
    return { name: this.graph.node(op, names, attributes), shape };
  }

  /** Remembers how the gradient flows through an operation; forgets it when none of its inputs needs one. */
  record(inputs: readonly Value[], output: Value, backward: Backward): Value {
    if (inputs.some(({ name }) => this.trainable.has(name))) {
      this.trainable.add(output.name);
      this.steps.push({ inputs, output, backward });
    }
    return output;
  }

  /**
   * Adds the nodes that compute the gradient of `loss` by each of `parameters`.
   *
   * @returns gradients in the order of the parameters.
   * @throws RangeError if the loss does not depend on one of them (a caller's bug).
   */
  gradients(loss: Value, parameters: readonly Value[]): readonly Value[] {
    const known = new Map<string, Value>([[loss.name, { name: this.graph.float32(1), shape: loss.shape }]]);
    for (const step of this.steps.toReversed()) this.descend(step, known);
    return parameters.map(({ name }) => {
      const gradient = known.get(name);
      if (gradient === undefined) throw new RangeError(`The loss does not depend on ${name}`);
      return gradient;
    });
  }

  private descend({ inputs, output, backward }: Step, known: Map<string, Value>): void {
    const gradient = known.get(output.name);
    if (gradient === undefined) return;
    const rules = backward(gradient);
    for (const [index, input] of inputs.entries()) {
      const rule = rules[index];
      if (rule === undefined || !this.trainable.has(input.name)) continue;
      const before = known.get(input.name);
      const share = rule();
      known.set(input.name, before === undefined ? share : this.emit("Add", [before, share], input.shape));
    }
  }
}
