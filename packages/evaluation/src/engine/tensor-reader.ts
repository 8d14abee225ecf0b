import { type FileHandle, open } from "node:fs/promises";
import { elementCount, tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import { readFully } from "@assay/checkpoint/safetensors/header";
import type { TensorPlace } from "@assay/checkpoint/safetensors/tensor-place";
import { isFloat32Dtype, widenInPlace } from "@assay/checkpoint/safetensors/widen";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { Tensor } from "../onnx/runtime.ts";

/** Tensors by whatever their reader calls them. */
export type Tensors = ReadonlyMap<string, Tensor>;
/** What to read, by the name it shall have. */
export type Places = ReadonlyMap<string, TensorPlace>;

/** Bytes that the values take as float32, each tensor at a multiple of 64. */
export function float32Bytes(places: Places): number {
  return [...places.values()].reduce((sum, place) => sum + aligned(elementCount(place.shape) * 4), 0);
}

/** Reads tensors as float32; bfloat16 and float16 are widened, which is exact. Keeps the files that it read open. */
export class TensorReader {
  readonly #changed: EvaluationErrorCode;
  readonly #files = new Map<string, Promise<FileHandle>>();

  /** @param changed code of the error for a file that is gone or shorter than its header said. */
  constructor(changed: EvaluationErrorCode) {
    this.#changed = changed;
  }

  /**
   * Each tensor becomes a view of `buffer`, which must hold {@link float32Bytes}.
   *
   * @throws EvaluationError `EVALUATION_MODEL_UNSUPPORTED` for a dtype that is not a float of at most 32 bits.
   */
  async read(places: Places, buffer: ArrayBuffer): Promise<Tensors> {
    const tensors = new Map<string, Tensor>();
    const reads: Promise<void>[] = [];
    let offset = 0;
    for (const [name, place] of places) {
      const values = new Float32Array(buffer, offset, elementCount(place.shape));
      reads.push(this.#readInto(place, values));
      tensors.set(name, new Tensor("float32", values, place.shape));
      offset += aligned(values.byteLength);
    }
    await Promise.all(reads);
    return tensors;
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) await (await file).close();
  }

  async #readInto(place: TensorPlace, values: Float32Array): Promise<void> {
    const { dtype, path, offset } = place;
    if (!isFloat32Dtype(dtype)) {
      throw new EvaluationError(EvaluationErrorCode.ModelUnsupported, `Model needs dtype ${dtype}`, {
        fields: { feature: "dtype", value: dtype, path },
      });
    }
    const bytes = tensorBytes(place);
    const target = new Uint8Array(values.buffer, values.byteOffset + values.byteLength - bytes, bytes);
    const read = await this.#readBytes(path, target, offset);
    if (read < bytes) throw this.#fileChanged(path, { offset, bytes, read });
    if (dtype !== "F32") widenInPlace(dtype, values);
  }

  async #readBytes(path: string, target: Uint8Array, offset: number): Promise<number> {
    try {
      return (await readFully(await this.#fileAt(path), target, offset)).length;
    } catch (cause) {
      throw this.#fileChanged(path, {}, cause);
    }
  }

  #fileAt(path: string): Promise<FileHandle> {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = open(path, "r");
    this.#files.set(path, file);
    return file;
  }

  #fileChanged(path: string, facts: Readonly<Record<string, number>>, cause?: unknown): EvaluationError {
    return new EvaluationError(this.#changed, "File is gone or shorter than it was", {
      retryable: true,
      fields: { path, ...facts },
      cause,
    });
  }
}

const ALIGNMENT = 64;

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
