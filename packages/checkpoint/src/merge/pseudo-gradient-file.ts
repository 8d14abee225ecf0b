import { rename, rm } from "node:fs/promises";
import { allFinite } from "@assay/core/merging/outer-step";
import { pseudoGradient } from "@assay/core/merging/pseudo-gradient";
import { temporaryPath, withFile } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { type GroupLayout, openSlice } from "../model/model-source.ts";
import { elementCount } from "../safetensors/dtype.ts";
import { readPlace } from "../safetensors/tensor-place.ts";
import { isFloat32Dtype } from "../safetensors/widen.ts";
import { ChunkSummary, type ValueChunks } from "./chunk-summary.ts";
import { type BlockReader, blocksOf, type Experts, groupBlocks } from "./group-blocks.ts";
import { ReusedFloats } from "./reused-floats.ts";

/** A submission that is merged. */
export interface MergedSubmission {
  /** Path of the inspected file. */
  readonly path: string;
  /** What it counts beside the others, above 0. */
  readonly share: number;
}

export interface PseudoGradientRequest {
  /** The group, and the experts of the version merged from. */
  readonly layout: GroupLayout;
  readonly base: Experts;
  readonly submissions: readonly MergedSubmission[];
  /** Where the values go: float32, little-endian, tensor by tensor in the order of the group's file, without a header. */
  readonly output: string;
}

/**
 * Writes a group's pseudo-gradient: base minus the weighted mean of the submissions, in float64, stored as float32.
 *
 * Works tensor by tensor, of stacked ones expert by expert, and holds one of each file in memory. The file appears at
 * the end or not at all.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a value is NaN or infinite: `fields.submission` names the
 *   file to leave out; `CHECKPOINT_TENSORS_DIFFER` when a submission does not hold the group's tensors.
 */
export async function writePseudoGradient(request: PseudoGradientRequest, signal?: AbortSignal): Promise<ValueChunks> {
  const temporary = temporaryPath(request.output);
  try {
    const chunks = await writeValues(request, temporary, signal);
    await rename(temporary, request.output);
    return chunks;
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * The sum of the squares of base minus submission, in float64: the square of how far a submission went.
 *
 * @throws CheckpointError as {@link writePseudoGradient}.
 */
export async function squaredDistance(
  { layout, base }: Pick<PseudoGradientRequest, "layout" | "base">,
  submission: string,
  signal?: AbortSignal,
): Promise<number> {
  const blockOf = blocksOf(await openSlice(submission, layout), layout);
  const memory = [new ReusedFloats(), new ReusedFloats()] as const;
  let squares = 0;
  for (const { name, row, place } of groupBlocks(base, layout)) {
    signal?.throwIfAborted();
    const length = elementCount(place.shape);
    const theta = await readPlace(name, place, memory[0].of(length));
    const theirs = await readPlace(name, blockOf(name, row), memory[1].of(length));
    squares = addSquaredDistances(squares, theta, theirs);
  }
  return squares;
}

async function writeValues(
  { layout, base, submissions }: PseudoGradientRequest,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ValueChunks> {
  const readers: { readonly blockOf: BlockReader; readonly memory: ReusedFloats }[] = [];
  for (const { path: submission } of submissions) {
    readers.push({ blockOf: blocksOf(await openSlice(submission, layout), layout), memory: new ReusedFloats() });
  }
  const shares = submissions.map(({ share }) => share);
  const summary = new ChunkSummary();
  const memory = new ReusedFloats();
  await withFile(path, "wx", async (file) => {
    for (const { name, row, place } of groupBlocks(base, layout)) {
      signal?.throwIfAborted();
      requireFloats(name, place.dtype);
      const length = elementCount(place.shape);
      const theta = await readPlace(name, place, memory.of(length));
      const theirs: Float32Array[] = [];
      for (const reader of readers) {
        theirs.push(await readPlace(name, reader.blockOf(name, row), reader.memory.of(length)));
      }
      const gradient = pseudoGradient(theta, theirs, shares, theta);
      if (!allFinite(gradient)) throw nonFinite(name, submissions, theirs);
      summary.add(gradient);
      await file.writeFile(new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength));
    }
    await file.sync();
  });
  return summary.finish();
}

function addSquaredDistances(sum: number, theta: Float32Array, theirs: Float32Array): number {
  let squares = sum;
  const { length } = theta;
  for (let i = 0; i < length; i += 1) squares += ((theta[i] as number) - (theirs[i] as number)) ** 2;
  return squares;
}

/** @throws CheckpointError `CHECKPOINT_DTYPE_UNSUPPORTED` for weights that cannot be averaged. */
function requireFloats(tensor: string, dtype: string): void {
  if (isFloat32Dtype(dtype)) return;
  throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be merged", {
    fields: { tensor, dtype },
  });
}

/** Names the submission with the value; the farthest one where finite values overflow together. */
function nonFinite(
  tensor: string,
  submissions: readonly MergedSubmission[],
  values: readonly Float32Array[],
): CheckpointError {
  const guilty = values.findIndex((each) => !allFinite(each));
  const submission = submissions[Math.max(0, guilty)]?.path;
  return new CheckpointError(CheckpointErrorCode.MergeNonFinite, "A value to be merged is NaN or infinite", {
    fields: { tensor, submission },
  });
}
