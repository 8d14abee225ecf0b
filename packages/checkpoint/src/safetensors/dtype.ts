/** Bytes of one element of each dtype that we accept. Anything else (8-bit floats, strings) is malformed to us. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;
/** Element type as safetensors spells it. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** What a tensor looks like, without its values. */
export interface TensorShape {
  readonly dtype: Dtype;
  /** Length of each dimension, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** Whether a string from a header names one of our dtypes. */
export function isDtype(text: string): text is Dtype {
  return Object.hasOwn(DTYPE_BYTES, text);
}

/** Number of elements; NaN when the product is not a safe integer. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const length of shape) {
    count *= length;
    if (!Number.isSafeInteger(count)) return Number.NaN;
  }
  return count;
}

/** Bytes of a tensor's values. */
export function tensorBytes(tensor: TensorShape): number {
  return elementCount(tensor.shape) * DTYPE_BYTES[tensor.dtype];
}
