import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { outerStep } from "@assay/core/merging/outer-step";
import { VectorMemory } from "@assay/core/merging/vectors/vector-memory";
import { syncFolder, temporaryPath } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import { type GroupLayout, openSlice } from "../model/model-source.ts";
import { elementCount } from "../safetensors/dtype.ts";
import { firstNonFinite } from "../safetensors/finite.ts";
import { readPlace, type TensorPlace } from "../safetensors/tensor-place.ts";
import { isFloat32Dtype, narrow } from "../safetensors/widen.ts";
import { SafetensorsWriter } from "../safetensors/write.ts";
import { type Gradient, GradientReader } from "./gradient-reader.ts";
import { type BlockReader, blocksOf, canonicalTensors, type Experts, groupBlocks } from "./group-blocks.ts";
import { rememberSha256 } from "./known-digests.ts";

export interface StepGroupRequest {
  /** The group, and the experts of the version merged from. */
  readonly layout: GroupLayout;
  readonly base: Experts;
  /** The group's pseudo-gradient. Pieces that are still to come are waited for. */
  readonly gradient: Gradient;
  /** Momentum after the step before; null in the first step. */
  readonly momentum: string | null;
  /** Where the new group file and the new momentum go. Existing files are replaced. */
  readonly output: string;
  readonly momentumOutput: string;
  readonly learningRate: number;
  readonly momentumFactor: number;
}

export interface SteppedGroup {
  readonly group: FileDigest;
  readonly momentum: FileDigest;
}

/**
 * The outer step of one expert group.
 *
 * Works tensor by tensor, of stacked ones expert by expert, and holds no more than that in memory. Weights keep the
 * base's dtype, momentum is float32. The files appear together at the end or not at all.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a new weight or momentum is NaN or infinite in the dtype it
 *   is stored in; `CHECKPOINT_TENSORS_DIFFER` when gradient or momentum do not hold the group's tensors.
 * @see packages/docs/protocol.md §8.2
 */
export async function stepGroup(request: StepGroupRequest, signal?: AbortSignal): Promise<SteppedGroup> {
  const { output, momentumOutput } = request;
  const paths = { group: temporaryPath(output), momentum: temporaryPath(momentumOutput) };
  await mkdir(dirname(output), { recursive: true });
  await mkdir(dirname(momentumOutput), { recursive: true });
  const gradient = new GradientReader(request.gradient);
  try {
    const stepped = await writeTensors({ request, gradient, paths }, signal);
    await rename(paths.momentum, momentumOutput);
    await rememberSha256(momentumOutput, stepped.momentum.sha256);
    await rename(paths.group, output);
    await syncFolder(dirname(momentumOutput));
    await syncFolder(dirname(output));
    return stepped;
  } finally {
    await gradient.close();
    await rm(paths.group, { force: true });
    await rm(paths.momentum, { force: true });
  }
}

interface Writing {
  readonly request: StepGroupRequest;
  readonly gradient: GradientReader;
  readonly paths: { readonly group: string; readonly momentum: string };
}

async function writeTensors(writing: Writing, signal: AbortSignal | undefined): Promise<SteppedGroup> {
  const { request, gradient, paths } = writing;
  const tensors = canonicalTensors(request.layout);
  const momentumOf = await openMomentum(request);
  const writers: SafetensorsWriter[] = [];
  try {
    const group = await SafetensorsWriter.create(paths.group, tensors);
    writers.push(group);
    const float32 = tensors.map(({ name, shape }) => ({ name, shape, dtype: "F32" as const }));
    const momentum = await SafetensorsWriter.create(paths.momentum, float32);
    writers.push(momentum);
    const blocks = [...groupBlocks(request.base, request.layout)];
    const memory = memoryFor(blocks.reduce((most, { place }) => Math.max(most, elementCount(place.shape)), 0));
    for (const block of blocks) {
      signal?.throwIfAborted();
      const stepped = await stepBlock(request, block, { gradient, momentumOf, memory }, signal);
      // Side by side: while one is written, the other is hashed.
      await Promise.all([group.write(block.name, stepped.weights), momentum.write(block.name, stepped.momentum)]);
    }
    if ((await gradient.fill(new Uint8Array(1), signal)) > 0) throw gradientDiffers(request.gradient);
    return { group: await group.finish(), momentum: await momentum.finish() };
  } catch (error) {
    for (const writer of writers) await writer.discard();
    throw error;
  }
}

async function openMomentum({ momentum, layout }: StepGroupRequest): Promise<BlockReader | null> {
  if (momentum === null) return null;
  const float32 = new Map([...layout.tensors].map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]));
  return blocksOf(await openSlice(momentum, { tensors: float32, experts: layout.experts }), layout);
}

/** A block's bytes, until the next one is stepped. */
interface SteppedBlock {
  readonly weights: Uint8Array;
  readonly momentum: Uint8Array;
}

/** Where each block is stepped. */
interface BlockMemory {
  readonly weights: Float32Array<ArrayBuffer>;
  readonly gradient: Float32Array<ArrayBuffer>;
  readonly momentum: Float32Array<ArrayBuffer>;
}

function memoryFor(largest: number): BlockMemory {
  const memory = new VectorMemory([largest, largest, largest]);
  const [weights, gradient, momentum] = [memory.floats(largest), memory.floats(largest), memory.floats(largest)];
  return { weights, gradient, momentum };
}

async function stepBlock(
  { gradient: pieces, learningRate, momentumFactor }: StepGroupRequest,
  { name, row, place }: { readonly name: string; readonly row: number; readonly place: TensorPlace },
  {
    gradient: reader,
    momentumOf,
    memory,
  }: { readonly gradient: GradientReader; readonly momentumOf: BlockReader | null; readonly memory: BlockMemory },
  signal: AbortSignal | undefined,
): Promise<SteppedBlock> {
  const { dtype } = place;
  if (!isFloat32Dtype(dtype)) {
    throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be merged", {
      fields: { tensor: name, dtype },
    });
  }
  const length = elementCount(place.shape);
  const gradient = memory.gradient.subarray(0, length);
  const momentum = memory.momentum.subarray(0, length);
  const bytes = new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength);
  const [weights, filled] = await Promise.all([
    readPlace(name, place, memory.weights.subarray(0, length)),
    reader.fill(bytes, signal),
    momentumOf && readPlace(name, momentumOf(name, row), momentum),
  ]);
  if (filled < bytes.length) throw gradientDiffers(pieces);
  const before = { theta: weights, pseudoGradient: gradient, momentum: momentumOf && momentum };
  const stepped = outerStep({ ...before, learningRate, momentumFactor }, { theta: weights, momentum });
  const narrowed = narrow(dtype, stepped.theta);
  const isNarrowedFinite = dtype === "F32" || firstNonFinite(dtype, narrowed) === -1;
  if (!stepped.isFinite || !isNarrowedFinite) {
    throw new CheckpointError(CheckpointErrorCode.MergeNonFinite, "A merged value is NaN or infinite", {
      fields: { tensor: name, base: place.path },
    });
  }
  return { weights: narrowed, momentum: narrow("F32", stepped.momentum) };
}

function gradientDiffers(gradient: Gradient): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.TensorsDiffer, "Gradient does not hold the group's values", {
    fields: { path: gradient[0]?.path },
  });
}
