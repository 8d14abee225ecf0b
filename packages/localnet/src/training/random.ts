import type { Random } from "@assay/evaluation/model/random";

/** Independent draws from a normal distribution around 0 (Box–Muller). */
export function normals(random: Random, count: number, deviation: number): Float32Array {
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return deviation * radius * Math.cos(2 * Math.PI * random());
  });
}
