/** Everything here is float64 and written to be read; sizes are those of tests. */
export type Vector = Float64Array;

/** Row-major. A weight of `torch.nn.Linear` is `[outputs, inputs]`, an embedding table `[tokens, width]`. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array | Float64Array;
}

/** `W x + b`, as `torch.nn.Linear` computes it. */
export function linear(weight: Matrix, x: Vector, bias: Vector | null = null): Vector {
  const products = new Float64Array(weight.rows).map((_, index) => dot(rowView(weight, index), x));
  return bias === null ? products : add(products, bias);
}

export function row(matrix: Matrix, index: number): Vector {
  return Float64Array.from(rowView(matrix, index));
}

export function transposed({ rows, columns, values }: Matrix): Matrix {
  const at = (index: number) => values[(index % rows) * columns + Math.floor(index / rows)] ?? Number.NaN;
  return { rows: columns, columns: rows, values: values.map((_, index) => at(index)) };
}

export function dot(left: Float32Array | Float64Array, right: Vector): number {
  if (left.length !== right.length) throw new RangeError(`${left.length} values with ${right.length}`);
  let total = 0;
  for (let index = 0; index < left.length; index += 1) total += (left[index] as number) * (right[index] as number);
  return total;
}

/** Elementwise. */
export function multiply(left: Vector, right: Vector): Vector {
  return pairwise(left, right, (one, other) => one * other);
}

export function add(left: Vector, right: Vector): Vector {
  return pairwise(left, right, (one, other) => one + other);
}

export function scale(vector: Vector, factor: number): Vector {
  return vector.map((value) => value * factor);
}

export function concatenate(parts: readonly Vector[]): Vector {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

/** Parts of equal width, for example the heads of a projection. */
export function cut(vector: Vector, width: number): readonly Vector[] {
  return Array.from({ length: vector.length / width }, (_, part) => vector.slice(part * width, (part + 1) * width));
}

/** `x / sqrt(mean(x²) + ε)`, times a weight per element. */
export function rmsNorm(x: Vector, weight: Vector, epsilon: number): Vector {
  const meanSquare = dot(x, x) / x.length;
  return multiply(scale(x, 1 / Math.sqrt(meanSquare + epsilon)), weight);
}

export function softmax(scores: Vector): Vector {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  return scale(powers, 1 / sum(powers));
}

/** `ln Σ exp(xᵢ)`. */
export function logSumExp(scores: Vector): number {
  const largest = Math.max(...scores);
  return largest + Math.log(sum(scores.map((score) => Math.exp(score - largest))));
}

export function silu(x: Vector): Vector {
  return x.map((value) => value / (1 + Math.exp(-value)));
}

export function sum(vector: Vector): number {
  return vector.reduce((total, value) => total + value, 0);
}

function pairwise(left: Vector, right: Vector, operation: (one: number, other: number) => number): Vector {
  if (left.length !== right.length) throw new RangeError(`${left.length} values with ${right.length}`);
  return left.map((value, index) => operation(value, right[index] ?? Number.NaN));
}

function rowView({ rows, columns, values }: Matrix, index: number): Float32Array | Float64Array {
  if (!(index < rows)) throw new RangeError(`Row ${index} of ${rows}`);
  return values.subarray(index * columns, (index + 1) * columns);
}
