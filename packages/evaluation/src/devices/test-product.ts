import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import { InferenceSession, Tensor } from "../onnx/runtime.ts";
import type { Device } from "./device.ts";
import { wholeGraphOptions } from "./session-options.ts";

const SIZE = 64;
/** Float32 holds it, TF32 (10 bits) and bfloat16 round it to 1. */
const FINE = 1 + 2 ** -12;
/** Sums of 64 products in float32 stay within it in any order; factors rounded to 10 bits miss by 5e-4. */
const TOLERANCE = 1e-5;

/**
 * Multiplies two matrices on a device and compares with float64.
 *
 * @returns why the result cannot be trusted; null when it can.
 * @throws Error of the native runtime when there is no such device, or it cannot run the graph by itself.
 */
export async function tryProduct(device: Device): Promise<string | null> {
  const left = matrix((row, column) => 1 + ((row + column) % 3));
  const right = matrix((row, column) => 1 + ((row * column) % 2));
  const session = await InferenceSession.create(productGraph().model(), wholeGraphOptions(device));
  try {
    const { product } = await session.run({ left: tensorOf(left), right: tensorOf(right) });
    const error = largestError(product?.data as Float32Array, left, right);
    return error <= TOLERANCE ? null : `a product is off by ${error.toExponential(1)} of its size`;
  } finally {
    await session.release();
  }
}

function productGraph(): Graph {
  const graph = new Graph("probe");
  graph.input("left", ElementType.float32, [SIZE, SIZE]);
  graph.input("right", ElementType.float32, [SIZE, SIZE]);
  graph.node("MatMul", ["left", "right"], {}, { name: "product" });
  graph.output("product", ElementType.float32, [SIZE, SIZE]);
  return graph;
}

function matrix(value: (row: number, column: number) => number): Float32Array {
  return Float32Array.from({ length: SIZE * SIZE }, (_, at) => FINE * value(Math.floor(at / SIZE), at % SIZE));
}

function tensorOf(values: Float32Array): Tensor {
  return new Tensor("float32", values, [SIZE, SIZE]);
}

function largestError(product: Float32Array, left: Float32Array, right: Float32Array): number {
  let largest = 0;
  for (let at = 0; at < SIZE * SIZE; at += 1) {
    const [row, column] = [Math.floor(at / SIZE), at % SIZE];
    let exact = 0;
    for (let inner = 0; inner < SIZE; inner += 1) {
      exact += (left[row * SIZE + inner] ?? 0) * (right[inner * SIZE + column] ?? 0);
    }
    const error = Math.abs((product[at] ?? Number.NaN) - exact) / exact;
    largest = Math.max(largest, error);
  }
  return largest;
}
