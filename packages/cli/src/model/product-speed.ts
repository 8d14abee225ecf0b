import { createSession } from "@assay/evaluation/engine/sessions";
import { ElementType } from "@assay/evaluation/onnx/encoder";
import { Graph } from "@assay/evaluation/onnx/graph";
import { Tensor } from "@assay/evaluation/onnx/runtime";

/** A product of `rows` vectors with a matrix `[outputs, inputs]`. */
export interface ProductShape {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

/**
 * How fast ONNX Runtime computes such a product on this machine, in floating-point operations per second: the best of
 * a few runs that take about a quarter of a second together.
 *
 * Large products are cut to a size from which on they do not get faster.
 */
export async function productSpeed(shape: ProductShape, threads: number, signal: AbortSignal): Promise<number> {
  const { rows, inputs, outputs } = cut(shape);
  const graph = new Graph("product");
  graph.input("x", ElementType.float32, [rows, inputs]);
  graph.input("w", ElementType.float32, [outputs, inputs]);
  graph.node("Gemm", ["x", "w"], { transB: 1 }, { name: "y" });
  graph.output("y", ElementType.float32, [rows, outputs]);
  const session = await createSession(graph, threads);
  const filled = (...dims: readonly [number, number]) =>
    new Tensor("float32", new Float32Array(dims[0] * dims[1]).fill(0.5), dims);
  const feeds = { x: filled(rows, inputs), w: filled(outputs, inputs) };
  const began = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < LEAST_RUNS || performance.now() - began < MEASURE_MILLIS; run += 1) {
    signal.throwIfAborted();
    const before = performance.now();
    await session.run(feeds);
    best = Math.min(best, performance.now() - before);
  }
  await session.release();
  return (2 * rows * inputs * outputs) / (best / 1000);
}

const LEAST_RUNS = 3;
const MEASURE_MILLIS = 250;
const MOST_ROWS = 1024;
const MOST_OUTPUTS = 8192;

function cut({ rows, inputs, outputs }: ProductShape): ProductShape {
  return { rows: Math.min(rows, MOST_ROWS), inputs, outputs: Math.min(outputs, MOST_OUTPUTS) };
}
