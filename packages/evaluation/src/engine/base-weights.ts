import { tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import type { TensorPlace } from "@assay/checkpoint/safetensors/tensor-place";
import { EvaluationErrorCode } from "../evaluation-error.ts";
import { float32Bytes, type Places, TensorReader, type Tensors } from "./tensor-reader.ts";
import { BufferPool, UnitReader } from "./unit-reader.ts";

/** The base model's weights, unit by unit: a unit is a layer, and the last one is the head. */
export interface BaseWeights {
  /** Bytes that are in memory for good. */
  readonly residentBytes: number;
  /** See `UnitSource.get`. */
  unit(index: number, following: number | null): Promise<Tensors>;
  close(): Promise<void>;
}

export interface BaseWeightsOptions {
  readonly units: readonly Places[];
  /** A model that takes more than this as float32 is read from its files in every pass. */
  readonly memoryBytes: number;
}

/** Resident if it fits, else streamed from the files (the page cache). Losses are the same to the last bit. */
export async function openBaseWeights(
  { units, memoryBytes }: BaseWeightsOptions,
  signal: AbortSignal,
): Promise<BaseWeights> {
  const bytes = units.reduce((sum, unit) => sum + float32Bytes(unit), 0);
  return bytes <= memoryBytes ? await readResident(units, bytes, signal) : streamed(units);
}

/** Rows of the embedding table, `float32[tokens, hidden]`; reads those rows only. */
export async function readEmbeddingRows(table: TensorPlace, tokens: Uint32Array): Promise<Float32Array> {
  const [, width = 0] = table.shape;
  const rowBytes = tensorBytes(table) / (table.shape[0] ?? 1);
  const distinct = [...new Set(tokens)];
  const places = new Map(
    distinct.map((token) => [
      String(token),
      { path: table.path, dtype: table.dtype, shape: [width], offset: table.offset + token * rowBytes },
    ]),
  );
  const reader = new TensorReader(EvaluationErrorCode.ModelInvalid);
  try {
    const rows = await reader.read(places, new ArrayBuffer(float32Bytes(places)));
    const values = new Float32Array(tokens.length * width);
    for (const [row, token] of tokens.entries()) {
      values.set(rows.get(String(token))?.data as Float32Array, row * width);
    }
    return values;
  } finally {
    await reader.close();
  }
}

async function readResident(units: readonly Places[], bytes: number, signal: AbortSignal): Promise<BaseWeights> {
  const reader = new TensorReader(EvaluationErrorCode.ModelInvalid);
  const tensors: Tensors[] = [];
  try {
    for (const unit of units) {
      signal.throwIfAborted();
      tensors.push(await reader.read(unit, new ArrayBuffer(float32Bytes(unit))));
    }
  } finally {
    await reader.close();
  }
  return {
    residentBytes: bytes,
    unit: async (index) => tensors[index] ?? new Map(),
    close: async () => undefined,
  };
}

function streamed(units: readonly Places[]): BaseWeights {
  const reader = new UnitReader(new TensorReader(EvaluationErrorCode.ModelInvalid), units, new BufferPool());
  return {
    residentBytes: 0,
    unit: (index, following) => reader.get(index, following),
    close: () => reader.close(),
  };
}
