import { Tensor } from "../onnx/runtime.ts";
import type { Attended } from "./sessions.ts";

export interface ActivationSizes {
  readonly hiddenSize: number;
  /** Experts of a token. */
  readonly chosen: number;
}

type Slot = "residual" | "partial" | "normed" | "chosen" | "shares";

/**
 * Memory that a pass writes its results to, again in every layer, pass and submission: nothing is left to collect.
 *
 * Each chunk has a place of its own for what goes from layer to layer; everything else is shared by all chunks.
 */
export class Activations {
  readonly #sizes: ActivationSizes;
  readonly #shared = new Map<Slot, Float32Array | BigInt64Array>();
  readonly #chunks: Float32Array[] = [];

  constructor(sizes: ActivationSizes) {
    this.#sizes = sizes;
  }

  /** What a layer leaves for the next one, float32[rows, hidden]. */
  layer(chunk: number, rows: number): Tensor {
    const length = rows * this.#sizes.hiddenSize;
    const known = this.#chunks[chunk];
    const values = known !== undefined && known.length >= length ? known : new Float32Array(length);
    this.#chunks[chunk] = values;
    return new Tensor("float32", values.subarray(0, length), [rows, this.#sizes.hiddenSize]);
  }

  /** Results of a layer's attention. */
  attended(rows: number, routed: boolean): Attended {
    const { hiddenSize, chosen } = this.#sizes;
    return {
      residual: this.#float32("residual", rows, hiddenSize),
      normed: this.#float32("normed", rows, hiddenSize),
      routing: routed
        ? { chosen: this.#int64("chosen", rows, chosen), shares: this.#float32("shares", rows, chosen) }
        : null,
    };
  }

  /** A sum on its way from the residual to the next layer; the one that `sum` does not lie in. */
  partial(sum: Tensor): Tensor {
    const [rows = 0] = sum.dims;
    const other = this.#float32("partial", rows, this.#sizes.hiddenSize);
    return sameMemory(other, sum) ? this.#float32("residual", rows, this.#sizes.hiddenSize) : other;
  }

  #float32(slot: Slot, rows: number, columns: number): Tensor {
    const length = rows * columns;
    const known = this.#shared.get(slot);
    const values = known instanceof Float32Array && known.length >= length ? known : new Float32Array(length);
    this.#shared.set(slot, values);
    return new Tensor("float32", values.subarray(0, length), [rows, columns]);
  }

  #int64(slot: Slot, rows: number, columns: number): Tensor {
    const length = rows * columns;
    const known = this.#shared.get(slot);
    const values = known instanceof BigInt64Array && known.length >= length ? known : new BigInt64Array(length);
    this.#shared.set(slot, values);
    return new Tensor("int64", values.subarray(0, length), [rows, columns]);
  }
}

function sameMemory(left: Tensor, right: Tensor): boolean {
  return (left.data as Float32Array).buffer === (right.data as Float32Array).buffer;
}
