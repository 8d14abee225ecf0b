import type { TensorShape } from "../src/safetensors/dtype.ts";

const BYTES: Readonly<Record<string, bigint>> = {
  F64: 8n,
  I64: 8n,
  U64: 8n,
  F32: 4n,
  I32: 4n,
  U32: 4n,
  F16: 2n,
  BF16: 2n,
  I16: 2n,
  U16: 2n,
  I8: 1n,
  U8: 1n,
  BOOL: 1n,
};

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * What a file's header says, judged once more in the plainest way: `JSON.parse`, big integers, a count of keys.
 * Costs what it costs, so only for small files. Throws a `SyntaxError` or `TypeError` for most of what is broken.
 *
 * @returns the tensors in order of offset, or null for a file that must not be accepted.
 */
export function tensorsByOracle(bytes: Uint8Array): ReadonlyMap<string, TensorShape> | null {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(file.readBigUInt64LE(0));
  const text = new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + length));
  const entries = entriesOf(text);
  let end = 0n;
  for (const [, { dtype, shape, data_offsets: offsets }] of entries) {
    const itemBytes = BYTES[dtype] ?? 0n;
    const size = shape.map(BigInt).reduce((product, dimension) => product * dimension, itemBytes);
    const isTile =
      BigInt(offsets[0]) === end && BigInt(offsets[1]) === end + size && size > 0n && end % itemBytes === 0n;
    if (!isTile) return null;
    end += size;
  }
  if (BigInt(8 + length) + end !== BigInt(file.length)) return null;
  return new Map(entries.map(([name, { dtype, shape }]) => [name, { dtype, shape } as TensorShape]));
}

function entriesOf(text: string): readonly (readonly [string, Entry])[] {
  const parsed = JSON.parse(text, (_key, value: unknown) => value) as Record<string, unknown>;
  const members = Object.entries(parsed);
  const keys = members.reduce((count, [, member]) => count + Object.keys(member as object).length, members.length);
  const stated = [...text.matchAll(/"(?:[^"\\]|\\.)*"|:/g)].filter(([token]) => token === ":").length;
  if (stated !== keys) throw new SyntaxError(`${stated} keys are stated and ${keys} are left`);
  const tensors = members.filter(([name]) => name !== "__metadata__") as [string, Entry][];
  for (const [name, entry] of tensors) {
    if (Object.keys(entry).sort().join() !== "data_offsets,dtype,shape") throw new SyntaxError(`entry of ${name}`);
  }
  return tensors.sort(([, left], [, right]) => left.data_offsets[0] - right.data_offsets[0]);
}

/** Whether all values are finite, value by value, by what the numbers mean. */
export function isFiniteByOracle(bytes: Uint8Array, tensors: ReadonlyMap<string, TensorShape>): boolean {
  const file = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 8 + Number(file.getBigUint64(0, true));
  for (const { dtype, shape } of tensors.values()) {
    const count = shape.reduce((product, length) => product * length, 1);
    for (let index = 0; index < count; index += 1) {
      if (!Number.isFinite(valueAt(file, position, dtype))) return false;
      position += Number(BYTES[dtype]);
    }
  }
  return true;
}

/** The value, or for 16 bits some number that is finite exactly if it is; integers are 0. */
function valueAt(file: DataView, position: number, dtype: string): number {
  if (dtype === "F64") return file.getFloat64(position, true);
  if (dtype === "F32") return file.getFloat32(position, true);
  if (dtype === "F16") return (file.getUint16(position, true) >> 10) % 32 === 31 ? Number.NaN : 0;
  if (dtype === "BF16") return (file.getUint16(position, true) >> 7) % 256 === 255 ? Number.NaN : 0;
  return 0;
}
