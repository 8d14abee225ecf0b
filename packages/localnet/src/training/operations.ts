import type { Tape, Value } from "./tape.ts";

type Shape = readonly number[];

export function add(tape: Tape, a: Value, b: Value): Value {
  const sum = tape.emit("Add", [a, b], a.shape);
  return tape.record([a, b], sum, (gradient) => [() => gradient, () => sumTo(tape, gradient, b.shape)]);
}

/** Element-wise product; `b` may be broadcast to the shape of `a`. */
export function multiply(tape: Tape, a: Value, b: Value): Value {
  const product = tape.emit("Mul", [a, b], a.shape);
  return tape.record([a, b], product, (gradient) => [
    () => tape.emit("Mul", [gradient, b], a.shape),
    () => sumTo(tape, tape.emit("Mul", [gradient, a], a.shape), b.shape),
  ]);
}

/** Element-wise quotient; `b` may be broadcast to the shape of `a`. */
export function divide(tape: Tape, a: Value, b: Value): Value {
  const quotient = tape.emit("Div", [a, b], a.shape);
  return tape.record([a, b], quotient, (gradient) => [
    () => tape.emit("Div", [gradient, b], a.shape),
    () => {
      const slope = tape.emit("Neg", [tape.emit("Div", [quotient, b], a.shape)], a.shape);
      return sumTo(tape, tape.emit("Mul", [gradient, slope], a.shape), b.shape);
    },
  ]);
}

export function scale(tape: Tape, a: Value, factor: number): Value {
  const by = tape.graph.float32(factor);
  const scaled = tape.emit("Mul", [a, by], a.shape);
  return tape.record([a], scaled, (gradient) => [() => tape.emit("Mul", [gradient, by], a.shape)]);
}

/** `x[N, in]` times the transpose of `weight[out, in]`, the layout of a stored projection. */
export function linear(tape: Tape, x: Value, weight: Value): Value {
  const shape = [size(x, 0), size(weight, 0)];
  const y = tape.emit("Gemm", [x, weight], shape, { transB: 1 });
  return tape.record([x, weight], y, (gradient) => [
    () => tape.emit("Gemm", [gradient, weight], x.shape),
    () => tape.emit("Gemm", [gradient, x], weight.shape, { transA: 1 }),
  ]);
}

/** Product of the last two dimensions; the leading ones are equal. */
export function matrixProduct(tape: Tape, a: Value, b: Value): Value {
  const y = tape.emit("MatMul", [a, b], [...a.shape.slice(0, -1), size(b, -1)]);
  return tape.record([a, b], y, (gradient) => [
    () => tape.emit("MatMul", [gradient, turned(tape, b)], a.shape),
    () => tape.emit("MatMul", [turned(tape, a), gradient], b.shape),
  ]);
}

export function reshape(tape: Tape, x: Value, shape: Shape): Value {
  const y = tape.emit("Reshape", [x, tape.graph.int64(...shape)], shape);
  return tape.record([x], y, (gradient) => [
    () => tape.emit("Reshape", [gradient, tape.graph.int64(...x.shape)], x.shape),
  ]);
}

export function transpose(tape: Tape, x: Value, order: readonly number[]): Value {
  const y = tape.emit(
    "Transpose",
    [x],
    order.map((axis) => size(x, axis)),
    { perm: order },
  );
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return tape.record([x], y, (gradient) => [() => tape.emit("Transpose", [gradient], x.shape, { perm: inverse })]);
}

/** Repeats dimensions of size 1, as ONNX `Expand` does. */
export function broadcast(tape: Tape, x: Value, shape: Shape): Value {
  const y = tape.emit("Expand", [x, tape.graph.int64(...shape)], shape);
  return tape.record([x], y, (gradient) => [() => sumTo(tape, gradient, x.shape)]);
}

/** Joins values along an axis. */
export function concatenate(tape: Tape, parts: readonly Value[], axis: number): Value {
  const ends = parts.map((_, index) => parts.slice(0, index + 1).reduce((sum, part) => sum + size(part, axis), 0));
  const shape = (parts[0]?.shape ?? []).with(axis, ends.at(-1) ?? 0);
  const y = tape.emit("Concat", parts, shape, { axis });
  return tape.record(parts, y, (gradient) =>
    parts.map((part, index) => () => {
      const range = [ends[index - 1] ?? 0, ends[index] ?? 0, axis].map((number) => tape.graph.int64(number));
      return tape.emit("Slice", [gradient, ...range], part.shape);
    }),
  );
}

/** Rows of `table[V, d]` at `ids` (the name of an int64[N] value). */
export function rows(tape: Tape, table: Value, ids: string, count: number): Value {
  const y = tape.emit("Gather", [table, ids], [count, size(table, 1)], { axis: 0 });
  return tape.record([table], y, (gradient) => [
    () => {
      const zeros = tape.emit("Expand", [tape.graph.float32(0), tape.graph.int64(...table.shape)], table.shape);
      const at = tape.graph.node("Unsqueeze", [ids, tape.graph.int64(-1)]);
      return tape.emit("ScatterND", [zeros, at, gradient], table.shape, { reduction: "add" });
    },
  ]);
}

/** Sum over the last dimension, which stays with size 1. */
export function rowSum(tape: Tape, x: Value): Value {
  const y = tape.emit("ReduceSum", [x, tape.graph.int64(-1)], x.shape.with(-1, 1), { keepdims: 1 });
  return tape.record([x], y, (gradient) => [
    () => tape.emit("Expand", [gradient, tape.graph.int64(...x.shape)], x.shape),
  ]);
}

/** Natural logarithm of positive values. */
export function logarithm(tape: Tape, x: Value): Value {
  const y = tape.emit("Log", [x], x.shape);
  return tape.record([x], y, (gradient) => [() => tape.emit("Div", [gradient, x], x.shape)]);
}

/** Mean of all elements, without dimensions. */
export function mean(tape: Tape, x: Value): Value {
  const count = x.shape.reduce((product, length) => product * length, 1);
  const y = tape.emit("ReduceMean", [x], [], { keepdims: 0 });
  return tape.record([x], y, (gradient) => [
    () => {
      const share = tape.emit("Div", [gradient, tape.graph.float32(count)], [1]);
      return tape.emit("Expand", [share, tape.graph.int64(...x.shape)], x.shape);
    },
  ]);
}

/** Softmax over the last dimension. */
export function softmax(tape: Tape, x: Value): Value {
  const y = tape.emit("Softmax", [x], x.shape, { axis: -1 });
  return tape.record([x], y, (gradient) => [
    () => {
      const weighted = tape.emit("Mul", [gradient, y], x.shape);
      const total = tape.emit("ReduceSum", [weighted, tape.graph.int64(-1)], x.shape.with(-1, 1), { keepdims: 1 });
      return tape.emit("Sub", [weighted, tape.emit("Mul", [y, total], x.shape)], x.shape);
    },
  ]);
}

/** `x · sigmoid(x)`. */
export function silu(tape: Tape, x: Value): Value {
  const gate = tape.emit("Sigmoid", [x], x.shape);
  const y = tape.emit("Mul", [x, gate], x.shape);
  return tape.record([x], y, (gradient) => [
    () => {
      const closed = tape.emit("Sub", [tape.graph.float32(1), gate], x.shape);
      const slope = tape.emit("Add", [gate, tape.emit("Mul", [y, closed], x.shape)], x.shape);
      return tape.emit("Mul", [gradient, slope], x.shape);
    },
  ]);
}

/** `x / rms(x) · weight` over the last dimension. */
export function rmsNorm(tape: Tape, x: Value, weight: Value, epsilon: number): Value {
  const mean = rowMean(tape, tape.emit("Mul", [x, x], x.shape));
  const padded = tape.emit("Add", [mean, tape.graph.float32(epsilon)], mean.shape);
  const rms = tape.emit("Sqrt", [padded], mean.shape);
  const unit = tape.emit("Div", [x, rms], x.shape);
  const y = tape.emit("Mul", [unit, weight], x.shape);
  return tape.record([x, weight], y, (gradient) => [
    () => {
      const scaled = tape.emit("Mul", [gradient, weight], x.shape);
      const along = rowMean(tape, tape.emit("Mul", [scaled, unit], x.shape));
      const across = tape.emit("Sub", [scaled, tape.emit("Mul", [unit, along], x.shape)], x.shape);
      return tape.emit("Div", [across, rms], x.shape);
    },
    () => sumTo(tape, tape.emit("Mul", [gradient, unit], x.shape), weight.shape),
  ]);
}

/**
 * Rotary position embedding in the half-rotation layout.
 *
 * The gradient is the same rotation by the opposite angles.
 *
 * @param angles tables that broadcast to `x[…, T, headDim]`, both halves of each row alike.
 */
export function rotate(tape: Tape, x: Value, angles: { readonly cos: Value; readonly sin: Value }): Value {
  const y = tape.emit("Add", [cosinePart(tape, x, angles.cos), sinePart(tape, x, angles.sin)], x.shape);
  return tape.record([x], y, (gradient) => [
    () => tape.emit("Sub", [cosinePart(tape, gradient, angles.cos), sinePart(tape, gradient, angles.sin)], x.shape),
  ]);
}

/**
 * Mean cross-entropy in nats per token.
 *
 * @param labels name of an int64[N] value.
 */
export function crossEntropy(tape: Tape, logits: Value, labels: string): Value {
  const { graph } = tape;
  const column = [size(logits, 0), 1];
  const total = tape.emit("ReduceLogSumExp", [logits, graph.int64(-1)], column, { keepdims: 1 });
  const at = graph.node("Unsqueeze", [labels, graph.int64(-1)]);
  const own = tape.emit("GatherElements", [logits, at], column, { axis: 1 });
  const loss = tape.emit("ReduceMean", [tape.emit("Sub", [total, own], column)], [], { keepdims: 0 });
  return tape.record([logits], loss, (gradient) => [
    () => {
      const target = tape.emit("OneHot", [labels, graph.int64(size(logits, 1)), graph.float32(0, 1)], logits.shape);
      const surplus = tape.emit(
        "Sub",
        [tape.emit("Softmax", [logits], logits.shape, { axis: -1 }), target],
        logits.shape,
      );
      return tape.emit(
        "Mul",
        [surplus, tape.emit("Div", [gradient, graph.float32(size(logits, 0))], [1])],
        logits.shape,
      );
    },
  ]);
}

function size(value: Value, axis: number): number {
  const length = value.shape.at(axis);
  if (length === undefined) throw new RangeError(`${value.name} has no axis ${axis}`);
  return length;
}

/** Undoes broadcasting: sums a gradient over the dimensions that were repeated. */
function sumTo(tape: Tape, gradient: Value, shape: Shape): Value {
  const missing = gradient.shape.length - shape.length;
  const repeated = [...gradient.shape.keys()].filter((axis) => (shape[axis - missing] ?? 1) !== gradient.shape[axis]);
  if (repeated.length === 0 && missing === 0) return gradient;
  const axes = [...new Set([...Array(missing).keys(), ...repeated])];
  const summed = tape.emit("ReduceSum", [gradient, tape.graph.int64(...axes)], shape, {
    keepdims: missing === 0 ? 1 : 0,
  });
  return missing === 0 || axes.length === missing
    ? summed
    : tape.emit("Reshape", [summed, tape.graph.int64(...shape)], shape);
}

function turned(tape: Tape, x: Value): Value {
  const rank = x.shape.length;
  const order = [...Array(rank - 2).keys(), rank - 1, rank - 2];
  return tape.emit(
    "Transpose",
    [x],
    order.map((axis) => size(x, axis)),
    { perm: order },
  );
}

function rowMean(tape: Tape, x: Value): Value {
  return tape.emit("ReduceMean", [x, tape.graph.int64(-1)], x.shape.with(-1, 1), { keepdims: 1 });
}

function cosinePart(tape: Tape, x: Value, cos: Value): Value {
  return tape.emit("Mul", [x, cos], x.shape);
}

function sinePart(tape: Tape, x: Value, sin: Value): Value {
  const { graph } = tape;
  const half = size(x, -1) / 2;
  const shape = x.shape.with(-1, half);
  const first = tape.emit("Slice", [x, graph.int64(0), graph.int64(half), graph.int64(-1)], shape);
  const second = tape.emit("Slice", [x, graph.int64(half), graph.int64(2 * half), graph.int64(-1)], shape);
  const swapped = tape.emit("Concat", [tape.emit("Neg", [second], shape), first], x.shape, { axis: -1 });
  return tape.emit("Mul", [swapped, sin], x.shape);
}
