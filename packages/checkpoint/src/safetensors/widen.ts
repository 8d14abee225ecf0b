/** Dtypes whose every value is exactly a float32. */
export const FLOAT32_DTYPES = ["F32", "BF16", "F16"] as const;
export type Float32Dtype = (typeof FLOAT32_DTYPES)[number];

/** Whether a dtype can be read as float32 without loss. */
export function isFloat32Dtype(dtype: string): dtype is Float32Dtype {
  return (FLOAT32_DTYPES as readonly string[]).includes(dtype);
}

/**
 * Widens 16-bit floats that lie in the upper half of their own float32 region, in place.
 *
 * Walking upwards never overwrites what is still to be read: element i is written to bytes 4i to 4i+3, element j > i is
 * read from byte 2n+2j.
 *
 * @param values region of n float32; its upper 2n bytes hold the n source values, little-endian.
 */
export function widenInPlace(dtype: "BF16" | "F16", values: Float32Array): void {
  const count = values.length;
  const source = new Uint16Array(values.buffer, values.byteOffset + count * 2, count);
  const target = new Uint32Array(values.buffer, values.byteOffset, count);
  if (dtype === "BF16") {
    for (let index = 0; index < count; index += 1) target[index] = (source[index] as number) << 16;
    return;
  }
  const table = float16Table();
  for (let index = 0; index < count; index += 1) target[index] = table[source[index] as number] as number;
}

/**
 * Rounds float32 values to a narrower dtype, to nearest with ties to even; values too large become infinite.
 *
 * @returns the little-endian bytes; for F32 a view of `values` itself.
 */
export function narrow(dtype: Float32Dtype, values: Float32Array): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const count = values.length;
  const target = new Uint16Array(count);
  const round = dtype === "BF16" ? toBfloat16 : toFloat16;
  for (let index = 0; index < count; index += 1) target[index] = round(source[index] as number);
  return new Uint8Array(target.buffer);
}

function toBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function toFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  const subnormal = exponent < 113;
  const significand = subnormal ? (magnitude & 0x7fffff) | 0x800000 : magnitude - (112 << 23);
  return sign | roundedShift(significand, subnormal ? 126 - exponent : 13);
}

/** `value / 2^shift`, to nearest with ties to even. A carry into the exponent is the right result. */
function roundedShift(value: number, shift: number): number {
  const quotient = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (quotient & 1) === 1) ? quotient + 1 : quotient;
}

let cachedTable: Uint32Array | null = null;

/** Float32 bits of each of the 65,536 half floats. Built once: 256 KiB. */
function float16Table(): Uint32Array {
  cachedTable ??= Uint32Array.from({ length: 1 << 16 }, (_, half) => float16Bits(half));
  return cachedTable;
}

function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}
