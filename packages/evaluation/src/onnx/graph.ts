import {
  type Attributes,
  type Dimension,
  ElementType,
  encodeModel,
  type GraphNode,
  type Initializer,
  type ValueDeclaration,
} from "./encoder.ts";

interface Domain {
  /** Operator set; left out for ONNX's own. */
  readonly domain?: string;
}

/**
 * Builds an ONNX graph node by node, in the order of execution.
 *
 * Values are known by name. Names that are not given are made up (`Gemm_12`), the same for the same sequence of calls.
 * What was added stays readable, so that other code (gradients) can walk the graph and extend it.
 */
export class Graph {
  readonly name: string;
  private readonly addedNodes: GraphNode[] = [];
  private readonly addedInitializers: Initializer[] = [];
  private readonly addedInputs: ValueDeclaration[] = [];
  private readonly addedOutputs: ValueDeclaration[] = [];
  private readonly constants = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
  }

  get nodes(): readonly GraphNode[] {
    return this.addedNodes;
  }

  get initializers(): readonly Initializer[] {
    return this.addedInitializers;
  }

  get inputs(): readonly ValueDeclaration[] {
    return this.addedInputs;
  }

  get outputs(): readonly ValueDeclaration[] {
    return this.addedOutputs;
  }

  /** Adds a node and returns the name of its output, or of its outputs when there are several. */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Attributes,
    options?: Domain & { readonly name?: string },
  ): string;
  node(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    options: Domain & { readonly outputs: 2 },
  ): readonly [string, string];
  node<const Names extends readonly string[]>(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    options: Domain & { readonly names: Names },
  ): Names;
  node(
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    options: Domain & { readonly name?: string; readonly outputs?: 2; readonly names?: readonly string[] } = {},
  ): string | readonly string[] {
    const { domain = "", name, outputs: count, names } = options;
    const first = name ?? `${op}_${this.addedNodes.length}`;
    const outputs = names ?? (count === 2 ? [first, `${first}_1`] : [first]);
    this.addedNodes.push({ op, inputs, outputs, attributes, domain });
    return names !== undefined || count === 2 ? outputs : first;
  }

  /** Declares an input that is fed at run time and returns its name. */
  input(name: string, type: ElementType, dims: readonly Dimension[]): string {
    this.addedInputs.push({ name, type, dims });
    return name;
  }

  /** Declares that the value of this name, made by some node, is an output. */
  output(name: string, type: ElementType, dims: readonly Dimension[]): string {
    this.addedOutputs.push({ name, type, dims });
    return name;
  }

  /** Adds a constant tensor and returns its name. */
  initializer(initializer: Initializer): string {
    this.addedInitializers.push(initializer);
    return initializer.name;
  }

  /** A one-dimensional int64 constant; equal constants are stored once. */
  int64(...values: readonly number[]): string {
    return this.constant("int64", values, [values.length]);
  }

  /** An int64 constant without dimensions, for operators that tell `[]` from `[1]`. */
  int64Scalar(value: number): string {
    return this.constant("int64", [value], []);
  }

  /** A one-dimensional float32 constant; equal constants are stored once. */
  float32(...values: readonly number[]): string {
    return this.constant("float32", values, [values.length]);
  }

  /** A float32 constant without dimensions. */
  float32Scalar(value: number): string {
    return this.constant("float32", [value], []);
  }

  /**
   * The graph as bytes of a `ModelProto`.
   *
   * @param versions defaults: operator set 23, file format 10.
   */
  model(versions: { readonly opset?: number; readonly ir?: number } = {}): Uint8Array {
    const { opset = 23, ir = 10 } = versions;
    const { name, nodes, initializers, inputs, outputs } = this;
    return encodeModel({ name, nodes, initializers, inputs, outputs, opset, ir });
  }

  private constant(type: "int64" | "float32", values: readonly number[], dims: readonly number[]): string {
    const key = `${type}[${dims.join()}]:${values.join()}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const array = type === "int64" ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
    const name = `constant_${this.constants.size}`;
    this.constants.set(key, name);
    return this.initializer({ name, type: ElementType[type], dims, bytes: new Uint8Array(array.buffer) });
  }
}
