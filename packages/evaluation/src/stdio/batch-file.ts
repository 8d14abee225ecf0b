import { createHash } from "node:crypto";
import { withFile } from "@assay/checkpoint/atomic-write";
import { readTrustedHeader, tensorChunks } from "@assay/checkpoint/safetensors/read";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import type { Sha256Hex } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { Batch } from "../text/batches.ts";

const TOKENS = "tokens";

/** Rows of token ids: each a sequence and, at its end, the last position's target. */
export interface TokenRows {
  /** int32[rows, columns], row-major. */
  readonly values: Int32Array;
  readonly columns: number;
  /** Rows of each batch. */
  readonly sequences: readonly number[];
}

/** @throws RangeError if the batches have sequences of different lengths (a caller's bug). */
export function tokenRows(batches: readonly Batch[]): TokenRows {
  const length = batches[0]?.sequenceLength ?? 0;
  const columns = length + 1;
  const sequences = batches.map((batch) => batch.sequences);
  const values = new Int32Array(sequences.reduce((sum, count) => sum + count, 0) * columns);
  let row = 0;
  for (const { sequenceLength, tokens, targets, sequences: count } of batches) {
    if (sequenceLength !== length) throw new RangeError("Batches have sequences of different lengths");
    for (let first = 0; first < count * length; first += length) {
      values.set(tokens.subarray(first, first + length), row * columns);
      values[row * columns + length] = Number(targets[first + length - 1]);
      row += 1;
    }
  }
  return { values, columns, sequences };
}

/** The batches that {@link tokenRows} was made of. */
export function batchesOf({ values, columns, sequences }: TokenRows): readonly Batch[] {
  const sequenceLength = columns - 1;
  let row = 0;
  return sequences.map((count) => {
    const tokens = new Uint32Array(count * sequenceLength);
    const targets = new BigInt64Array(count * sequenceLength);
    for (let first = 0; first < tokens.length; first += sequenceLength) {
      const ids = values.subarray(row * columns, (row + 1) * columns);
      tokens.set(ids.subarray(0, -1), first);
      targets.set([...ids.subarray(1)].map(BigInt), first);
      row += 1;
    }
    return { sequences: count, sequenceLength, tokens, targets };
  });
}

/** Names the content of a file of these rows. */
export function tokenDigest({ values, columns }: TokenRows): Sha256Hex {
  return createHash("sha256").update(`${columns} `).update(values).digest("hex");
}

/** Writes `tokens`, I32[rows, columns], into a file that must not exist. */
export async function writeTokens(path: string, { values, columns }: TokenRows): Promise<void> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const shape = [values.length / columns, columns];
  const source: TensorSource = { name: TOKENS, dtype: "I32", shape, chunks: () => [bytes] };
  await writeSafetensors(path, [source]);
}

/**
 * Reads what {@link writeTokens} wrote.
 *
 * @throws EvaluationError `EVALUATION_BACKEND_PROTOCOL` if it holds other rows than the line announces.
 */
export async function readTokens(
  path: string,
  { sequences, sequenceLength }: { readonly sequences: readonly number[]; readonly sequenceLength: number },
): Promise<TokenRows> {
  const columns = sequenceLength + 1;
  const rows = sequences.reduce((sum, count) => sum + count, 0);
  return await withFile(path, "r", async (file) => {
    const header = await readTrustedHeader(file, path);
    const entry = header.tensors.get(TOKENS);
    if (entry === undefined || entry.dtype !== "I32" || entry.shape.join() !== `${rows},${columns}`) {
      throw new EvaluationError(EvaluationErrorCode.BackendProtocol, "Batches are not what the request says", {
        fields: { path, rows, columns },
      });
    }
    const values = new Int32Array(rows * columns);
    const bytes = new Uint8Array(values.buffer);
    let offset = 0;
    for await (const chunk of tensorChunks(file, header, entry)) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return { values, columns, sequences };
  });
}
