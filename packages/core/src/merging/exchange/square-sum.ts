import { vectorLoopsOf } from "../vectors/vector-memory.ts";

/**
 * Sum of the squares of a chunk's values in float64, which come in any pieces.
 *
 * Value n is added to sum n modulo 4, and the four are added up at the end, each in order: the same values give the same
 * bits, and four additions need not wait for one another, which takes less than half the time. Not finite as soon as a
 * value is not.
 */
export class SquareSum {
  readonly #sums = new Float64Array(LANES);
  #values = 0;

  add(values: Float32Array): this {
    const { length } = values;
    const head = Math.min(length, (LANES - (this.#values % LANES)) % LANES);
    const fours = length - ((length - head) % LANES);
    this.#addSingly(values, 0, head);
    this.#addFours(values, head, fours);
    this.#addSingly(values, fours, length);
    return this;
  }

  get total(): number {
    return this.#sums.reduce((total, sum) => total + sum, 0);
  }

  #addSingly(values: Float32Array, begin: number, end: number): void {
    for (let i = begin; i < end; i += 1) {
      const lane = this.#values % LANES;
      this.#sums[lane] = (this.#sums[lane] as number) + square(values, i);
      this.#values += 1;
    }
  }

  /** From a value on that belongs to the first sum. */
  #addFours(values: Float32Array, begin: number, end: number): void {
    const done = begin + (vectorLoopsOf([values])?.addSquares(values.subarray(begin, end), this.#sums) ?? 0);
    let [first, second, third, fourth] = this.#sums as unknown as [number, number, number, number];
    for (let i = done; i < end; i += LANES) {
      first += square(values, i);
      second += square(values, i + 1);
      third += square(values, i + 2);
      fourth += square(values, i + 3);
    }
    this.#sums.set([first, second, third, fourth]);
    this.#values += end - begin;
  }
}

/** Of a whole chunk. */
export function sumOfSquares(values: Float32Array): number {
  return new SquareSum().add(values).total;
}

const LANES = 4;

function square(values: Float32Array, index: number): number {
  return (values[index] as number) * (values[index] as number);
}
