import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { outerStep } from "@assay/core/merging/outer-step";
import { pseudoGradient } from "@assay/core/merging/pseudo-gradient";
import { syncFolder, temporaryPath } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import type { ExpertPlaces } from "../model/expert-places.ts";
import { type GroupLayout, openSlice } from "../model/model-source.ts";
import { placedTensors } from "../model/placed-tensors.ts";
import { firstNonFinite } from "../safetensors/finite.ts";
import { readPlace, type TensorPlace } from "../safetensors/tensor-place.ts";
import { isFloat32Dtype, narrow } from "../safetensors/widen.ts";
import { inCanonicalOrder, type NamedTensor, SafetensorsWriter } from "../safetensors/write.ts";

export interface MergeGroupRequest {
  /** The group, and the experts of the version merged from. */
  readonly layout: GroupLayout;
  readonly base: Experts;
  /** The best submission, inspected. */
  readonly submission: string;
  /** Momentum after the step before; null in the first step. */
  readonly momentum: string | null;
  /** Where the new group file and the new momentum go. Existing files are replaced. */
  readonly output: string;
  readonly momentumOutput: string;
  readonly learningRate: number;
  readonly momentumFactor: number;
}

type Experts = Pick<ExpertPlaces, "of">;

export interface MergedGroup {
  readonly group: FileDigest;
  readonly momentum: FileDigest;
}

/**
 * The outer step of one expert group: pseudo-gradient = base minus submission.
 *
 * Works tensor by tensor, of stacked ones expert by expert, and holds no more than that in memory. Weights keep the
 * base's dtype, momentum is float32. The files appear together at the end or not at all.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a new weight or momentum is NaN or infinite in the dtype it
 *   is stored in; `CHECKPOINT_TENSORS_DIFFER` when submission or momentum do not hold the group's tensors.
 * @see packages/docs/protocol.md §8.2
 */
export async function mergeGroup(request: MergeGroupRequest, signal?: AbortSignal): Promise<MergedGroup> {
  const { layout, base } = request;
  const float32 = new Map([...layout.tensors].map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]));
  const momentum = { tensors: float32, experts: layout.experts };
  return await writeOutputs(
    {
      request,
      base: placedTensors(base, layout.experts),
      submission: placedTensors(await openSlice(request.submission, layout), layout.experts),
      momentum:
        request.momentum === null ? null : placedTensors(await openSlice(request.momentum, momentum), layout.experts),
      tensors: inCanonicalOrder([...layout.tensors].map(([name, tensor]) => ({ name, ...tensor }))),
    },
    signal,
  );
}

type Placed = ReturnType<typeof placedTensors>;

interface Merge {
  readonly request: MergeGroupRequest;
  readonly base: Placed;
  readonly submission: Placed;
  readonly momentum: Placed | null;
  readonly tensors: readonly NamedTensor[];
}

async function writeOutputs(merge: Merge, signal: AbortSignal | undefined): Promise<MergedGroup> {
  const { output, momentumOutput } = merge.request;
  const paths = { group: temporaryPath(output), momentum: temporaryPath(momentumOutput) };
  await mkdir(dirname(output), { recursive: true });
  await mkdir(dirname(momentumOutput), { recursive: true });
  try {
    const merged = await writeTensors(merge, paths, signal);
    await rename(paths.momentum, momentumOutput);
    await rename(paths.group, output);
    await syncFolder(dirname(momentumOutput));
    await syncFolder(dirname(output));
    return merged;
  } finally {
    await rm(paths.group, { force: true });
    await rm(paths.momentum, { force: true });
  }
}

async function writeTensors(
  merge: Merge,
  paths: { readonly group: string; readonly momentum: string },
  signal: AbortSignal | undefined,
): Promise<MergedGroup> {
  const { tensors } = merge;
  const writers: SafetensorsWriter[] = [];
  try {
    const group = await SafetensorsWriter.create(paths.group, tensors);
    writers.push(group);
    const momentum = await SafetensorsWriter.create(
      paths.momentum,
      tensors.map(({ name, shape }) => ({ name, shape, dtype: "F32" })),
    );
    writers.push(momentum);
    for (const { name } of tensors) {
      for (const block of blocksOf(merge, name)) {
        signal?.throwIfAborted();
        const stepped = await stepBlock(merge.request, name, block);
        await group.write(name, stepped.weights);
        await momentum.write(name, stepped.momentum);
      }
    }
    return { group: await group.finish(), momentum: await momentum.finish() };
  } catch (error) {
    for (const writer of writers) await writer.discard();
    throw error;
  }
}

/** A whole tensor, or one expert's block of a stacked one, in every file of the merge. */
interface Block {
  readonly base: TensorPlace;
  readonly submission: TensorPlace;
  readonly momentum: TensorPlace | null;
}

function blocksOf({ base, submission, momentum }: Merge, name: string): readonly Block[] {
  return (base.get(name)?.blocks ?? []).map((place, row) => ({
    base: place,
    submission: blockOf(submission, name, row),
    momentum: momentum && blockOf(momentum, name, row),
  }));
}

function blockOf(tensors: Placed, name: string, row: number): TensorPlace {
  const block = tensors.get(name)?.blocks[row];
  if (block === undefined) throw new RangeError(`Tensor ${name} has no row ${row}`);
  return block;
}

interface SteppedBlock {
  readonly weights: Uint8Array;
  readonly momentum: Uint8Array;
}

async function stepBlock(request: MergeGroupRequest, name: string, block: Block): Promise<SteppedBlock> {
  const { dtype } = block.base;
  if (!isFloat32Dtype(dtype)) {
    throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be merged", {
      fields: { tensor: name, dtype },
    });
  }
  const theta = await readPlace(name, block.base);
  const submitted = await readPlace(name, block.submission);
  const stepped = outerStep({
    theta,
    pseudoGradient: pseudoGradient(theta, [submitted]),
    momentum: block.momentum && (await readPlace(name, block.momentum)),
    learningRate: request.learningRate,
    momentumFactor: request.momentumFactor,
  });
  const weights = narrow(dtype, stepped.theta);
  const velocity = narrow("F32", stepped.momentum);
  if (firstNonFinite(dtype, weights) !== -1 || firstNonFinite("F32", velocity) !== -1) {
    throw new CheckpointError(CheckpointErrorCode.MergeNonFinite, "A merged value is NaN or infinite", {
      fields: { tensor: name, base: block.base.path, submission: block.submission.path },
    });
  }
  return { weights, momentum: velocity };
}
