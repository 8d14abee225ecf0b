/** Element types of ONNX tensors (`TensorProto.DataType`) that our graphs use. */
export const ElementType = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = (typeof ElementType)[keyof typeof ElementType];

/** A dimension: its size, or the name of a size that is known only at run time. */
export type Dimension = number | string;

/** A graph's input or output. */
export interface ValueDeclaration {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly Dimension[];
}

/** A constant that travels inside the model; `bytes` are little-endian and row-major. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** A plain number is an ONNX INT and an array INTS; a FLOAT has to say so, since JavaScript cannot tell 1 from 1.0. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface GraphNode {
  readonly op: string;
  /** Names of values; an empty name stands for an optional input that is not given. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
  /** Operator set; empty for ONNX's own. */
  readonly domain: string;
}

export interface ModelContents {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueDeclaration[];
  readonly outputs: readonly ValueDeclaration[];
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** Version of the file format (`ModelProto.ir_version`). */
  readonly ir: number;
}

/**
 * Encodes a `ModelProto`. The same contents give the same bytes.
 *
 * @throws RangeError if a number given as an INT attribute is not a safe integer (a caller's bug).
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function encodeModel(contents: ModelContents): Uint8Array {
  const domains = new Set(contents.nodes.map((node) => node.domain).filter((domain) => domain !== ""));
  const model = new ProtoWriter();
  model.integer(1, contents.ir);
  model.text(2, "assay");
  model.message(7, graphProto(contents));
  model.message(8, operatorSet("", contents.opset));
  for (const domain of domains) model.message(8, operatorSet(domain, 1));
  return model.bytes();
}

/** Writes protobuf's wire format; nested messages are kept as pieces, so that large constants are copied only once. */
class ProtoWriter {
  private readonly pieces: Uint8Array[] = [];
  private length = 0;

  integer(field: number, value: number): void {
    this.key(field, 0);
    this.varint(BigInt(value));
  }

  float(field: number, value: number): void {
    this.key(field, 5);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.push(bytes);
  }

  text(field: number, value: string): void {
    this.block(field, new TextEncoder().encode(value));
  }

  block(field: number, value: Uint8Array): void {
    this.key(field, 2);
    this.varint(BigInt(value.length));
    this.push(value);
  }

  message(field: number, inner: ProtoWriter): void {
    this.key(field, 2);
    this.varint(BigInt(inner.length));
    for (const piece of inner.pieces) this.push(piece);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let offset = 0;
    for (const piece of this.pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return bytes;
  }

  private key(field: number, wireType: 0 | 2 | 5): void {
    this.varint(BigInt((field << 3) | wireType));
  }

  /** Negative numbers take ten bytes: protobuf's int64 is two's complement. */
  private varint(value: bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.push(Uint8Array.from(bytes));
  }

  private push(bytes: Uint8Array): void {
    this.pieces.push(bytes);
    this.length += bytes.length;
  }
}

function graphProto(contents: ModelContents): ProtoWriter {
  const graph = new ProtoWriter();
  for (const node of contents.nodes) graph.message(1, nodeProto(node));
  graph.text(2, contents.name);
  for (const initializer of contents.initializers) graph.message(5, tensorProto(initializer));
  for (const input of contents.inputs) graph.message(11, valueInfo(input));
  for (const output of contents.outputs) graph.message(12, valueInfo(output));
  return graph;
}

function nodeProto(node: GraphNode): ProtoWriter {
  const proto = new ProtoWriter();
  for (const input of node.inputs) proto.text(1, input);
  for (const output of node.outputs) proto.text(2, output);
  proto.text(3, `${node.op}:${node.outputs[0]}`);
  proto.text(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) proto.message(5, attributeProto(name, value));
  if (node.domain !== "") proto.text(7, node.domain);
  return proto;
}

const AttributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;

function attributeProto(name: string, value: AttributeValue): ProtoWriter {
  const proto = new ProtoWriter();
  proto.text(1, name);
  if (typeof value === "number") {
    proto.integer(3, wholeNumber(name, value));
    proto.integer(20, AttributeType.int);
  } else if (typeof value === "string") {
    proto.text(4, value);
    proto.integer(20, AttributeType.string);
  } else if ("float" in value) {
    proto.float(2, value.float);
    proto.integer(20, AttributeType.float);
  } else {
    for (const element of value) proto.integer(8, wholeNumber(name, element));
    proto.integer(20, AttributeType.ints);
  }
  return proto;
}

function wholeNumber(attribute: string, value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Attribute ${attribute} is ${value}; a number that is no integer is given as { float }`);
  }
  return value;
}

function tensorProto(initializer: Initializer): ProtoWriter {
  const proto = new ProtoWriter();
  for (const size of initializer.dims) proto.integer(1, size);
  proto.integer(2, initializer.type);
  proto.text(8, initializer.name);
  proto.block(9, initializer.bytes);
  return proto;
}

function valueInfo(value: ValueDeclaration): ProtoWriter {
  const shape = new ProtoWriter();
  for (const size of value.dims) {
    const dimension = new ProtoWriter();
    if (typeof size === "number") dimension.integer(1, size);
    else dimension.text(2, size);
    shape.message(1, dimension);
  }
  const tensorType = new ProtoWriter();
  tensorType.integer(1, value.type);
  tensorType.message(2, shape);
  const type = new ProtoWriter();
  type.message(1, tensorType);
  const info = new ProtoWriter();
  info.text(1, value.name);
  info.message(2, type);
  return info;
}

function operatorSet(domain: string, version: number): ProtoWriter {
  const proto = new ProtoWriter();
  proto.text(1, domain);
  proto.integer(2, version);
  return proto;
}
