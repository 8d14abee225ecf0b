/** Memory for one block of values at a time. The next block's values take the place of those before. */
export class ReusedFloats {
  #memory = new Float32Array(0);

  of(length: number): Float32Array<ArrayBuffer> {
    if (length > this.#memory.length) this.#memory = new Float32Array(length);
    return this.#memory.subarray(0, length);
  }
}
