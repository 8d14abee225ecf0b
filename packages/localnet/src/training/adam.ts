import type { ModelTensors } from "./tensors.ts";

const DECAY_OF_MEAN = 0.9;
const DECAY_OF_SQUARE = 0.99;
const EPSILON = 1e-8;

/** Adam with the state of its tensors; a negative learning rate climbs instead of descending. */
export class Adam {
  private readonly model: ModelTensors;
  private readonly moments = new Map<string, { readonly mean: Float32Array; readonly square: Float32Array }>();
  private steps = 0;

  constructor(model: ModelTensors) {
    this.model = model;
  }

  /** Moves each tensor that has a gradient, in place. */
  step(gradients: ReadonlyMap<string, Float32Array>, learningRate: number): void {
    this.steps += 1;
    const rate = learningRate / (1 - DECAY_OF_MEAN ** this.steps);
    const correction = 1 / (1 - DECAY_OF_SQUARE ** this.steps);
    for (const [name, gradient] of gradients) this.move(name, gradient, { rate, correction });
  }

  private move(
    name: string,
    gradient: Float32Array,
    { rate, correction }: { readonly rate: number; readonly correction: number },
  ): void {
    const values = this.model.get(name)?.values;
    if (values === undefined) throw new RangeError(`The model has no tensor ${name}`);
    const { mean, square } = this.momentsOf(name, gradient.length);
    // Indexed reads of typed arrays are checked by the length above; `?? 0` never applies.
    for (let index = 0; index < values.length; index += 1) {
      const slope = gradient[index] ?? 0;
      const newMean = DECAY_OF_MEAN * (mean[index] ?? 0) + (1 - DECAY_OF_MEAN) * slope;
      const newSquare = DECAY_OF_SQUARE * (square[index] ?? 0) + (1 - DECAY_OF_SQUARE) * slope * slope;
      mean[index] = newMean;
      square[index] = newSquare;
      values[index] = (values[index] ?? 0) - (rate * newMean) / (Math.sqrt(newSquare * correction) + EPSILON);
    }
  }

  private momentsOf(name: string, length: number): { readonly mean: Float32Array; readonly square: Float32Array } {
    const known = this.moments.get(name);
    if (known !== undefined) return known;
    const fresh = { mean: new Float32Array(length), square: new Float32Array(length) };
    this.moments.set(name, fresh);
    return fresh;
  }
}
