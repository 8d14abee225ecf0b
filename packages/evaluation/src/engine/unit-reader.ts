import { float32Bytes, type Places, type TensorReader, type Tensors } from "./tensor-reader.ts";

/** Buffers that were used before, so that a thousand submissions take no more memory than three. */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];

  /** A buffer of at least that many bytes: the smallest free one that is large enough, or a new one. */
  take(bytes: number): ArrayBuffer {
    const fitting = this.#free.filter(({ byteLength }) => byteLength >= bytes);
    const smallest = fitting.reduce<ArrayBuffer | null>(
      (best, each) => (best === null || each.byteLength < best.byteLength ? each : best),
      null,
    );
    if (smallest === null) return new ArrayBuffer(bytes);
    this.#free.splice(this.#free.indexOf(smallest), 1);
    return smallest;
  }

  give(buffer: ArrayBuffer): void {
    this.#free.push(buffer);
  }

  clear(): void {
    this.#free.length = 0;
  }
}

/** Gives a model's or a submission's tensors unit by unit. */
export interface UnitSource {
  /**
   * A unit's tensors, valid until the unit after it is asked for.
   *
   * @param following the unit that will be asked for after this one; null for none.
   */
  get(unit: number, following: number | null): Promise<Tensors>;
}

interface Reading {
  readonly unit: number;
  readonly buffer: ArrayBuffer;
  readonly tensors: Promise<Tensors>;
}

/**
 * Reads a model or a submission unit by unit (a unit is a layer, or the head), one ahead of its use.
 *
 * At most two units are in memory. Reading goes on in the background while native code computes.
 */
export class UnitReader implements UnitSource {
  readonly #reader: TensorReader;
  readonly #units: readonly Places[];
  readonly #buffers: BufferPool;
  /** Every buffer has room for the largest unit, so that it fits whichever comes next. */
  readonly #bufferBytes: number;
  #current: Reading | null = null;
  #next: Reading | null = null;

  constructor(reader: TensorReader, units: readonly Places[], buffers: BufferPool) {
    this.#reader = reader;
    this.#units = units;
    this.#buffers = buffers;
    this.#bufferBytes = Math.max(0, ...units.map(float32Bytes));
  }

  /** Begins to read a unit that will be asked for next. A failure shows when it is. */
  prefetch(unit: number): void {
    if (this.#current?.unit === unit || this.#next?.unit === unit) return;
    if (this.#next !== null) this.#release(this.#next);
    this.#next = this.#begin(unit);
  }

  async get(unit: number, following: number | null): Promise<Tensors> {
    this.prefetch(unit);
    if (this.#next?.unit === unit) {
      if (this.#current !== null) this.#release(this.#current);
      this.#current = this.#next;
      this.#next = null;
    }
    const tensors = await (this.#current as Reading).tensors;
    if (following !== null) this.prefetch(following);
    return tensors;
  }

  /** Gives the buffers back, once nothing is read into them any more. */
  async close(): Promise<void> {
    const readings = [this.#current, this.#next].filter((each) => each !== null);
    this.#current = null;
    this.#next = null;
    for (const reading of readings) this.#release(reading);
    await Promise.allSettled(readings.map(({ tensors }) => tensors));
    await this.#reader.close();
  }

  #begin(unit: number): Reading {
    const buffer = this.#buffers.take(this.#bufferBytes);
    const tensors = this.#reader.read(this.#units[unit] ?? new Map(), buffer);
    tensors.catch(() => undefined);
    return { unit, buffer, tensors };
  }

  #release({ buffer, tensors }: Reading): void {
    const give = () => this.#buffers.give(buffer);
    tensors.then(give, give);
  }
}
