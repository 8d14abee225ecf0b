import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { outerStep } from "@assay/core/merging/outer-step";
import { pseudoGradient } from "@assay/core/merging/pseudo-gradient";
import { syncFolder, temporaryPath } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import { firstNonFinite } from "../safetensors/finite.ts";
import type { SafetensorsHeader } from "../safetensors/header.ts";
import { readTensor, readTrustedHeader } from "../safetensors/read.ts";
import { isFloat32Dtype, narrow } from "../safetensors/widen.ts";
import { inCanonicalOrder, type NamedTensor, SafetensorsWriter } from "../safetensors/write.ts";

export interface MergeGroupRequest {
  /** The group's file in the version merged from. */
  readonly base: string;
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

export interface MergedGroup {
  readonly group: FileDigest;
  readonly momentum: FileDigest;
}

/**
 * The outer step of one expert group, tensor by tensor: pseudo-gradient = base minus submission.
 *
 * Weights keep the base's dtype, momentum is float32. The files appear together at the end or not at all.
 *
 * @throws CheckpointError `CHECKPOINT_MERGE_NON_FINITE` when a new weight or momentum is NaN or infinite in the dtype it
 *   is stored in; `CHECKPOINT_TENSORS_DIFFER` when the files do not hold the same tensors.
 * @see packages/docs/protocol.md §8.2
 */
export async function mergeGroup(request: MergeGroupRequest, signal?: AbortSignal): Promise<MergedGroup> {
  const inputs: Input[] = [];
  try {
    const base = await openInput(request.base, inputs);
    const submission = await openInput(request.submission, inputs);
    const momentum = request.momentum === null ? null : await openInput(request.momentum, inputs);
    const tensors = namedTensors(base);
    checkSameTensors(tensors, submission);
    if (momentum !== null) checkSameTensors(tensors, momentum);
    return await writeOutputs({ request, base, submission, momentum, tensors }, signal);
  } finally {
    for (const { file } of inputs) await file.close();
  }
}

interface Input {
  readonly path: string;
  readonly file: FileHandle;
  readonly header: SafetensorsHeader;
}

interface Merge {
  readonly request: MergeGroupRequest;
  readonly base: Input;
  readonly submission: Input;
  readonly momentum: Input | null;
  readonly tensors: readonly NamedTensor[];
}

async function openInput(path: string, inputs: Input[]): Promise<Input> {
  const file = await open(path, "r");
  try {
    const input = { path, file, header: await readTrustedHeader(file, path) };
    inputs.push(input);
    return input;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function namedTensors({ header }: Input): readonly NamedTensor[] {
  return inCanonicalOrder([...header.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
}

function checkSameTensors(tensors: readonly NamedTensor[], { path, header }: Input): void {
  const different = tensors.find(({ name, shape }) => String(header.tensors.get(name)?.shape) !== String(shape));
  if (different === undefined && header.tensors.size === tensors.length) return;
  throw new CheckpointError(CheckpointErrorCode.TensorsDiffer, "Files to be merged do not hold the same tensors", {
    fields: { path, tensor: different?.name },
  });
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
    for (const tensor of tensors) {
      signal?.throwIfAborted();
      const stepped = await stepTensor(merge, tensor);
      await group.write(tensor.name, stepped.weights);
      await momentum.write(tensor.name, stepped.momentum);
    }
    return { group: await group.finish(), momentum: await momentum.finish() };
  } catch (error) {
    for (const writer of writers) await writer.discard();
    throw error;
  }
}

interface SteppedTensor {
  readonly weights: Uint8Array;
  readonly momentum: Uint8Array;
}

async function stepTensor(merge: Merge, { name, dtype }: NamedTensor): Promise<SteppedTensor> {
  const { base, submission, momentum, request } = merge;
  if (!isFloat32Dtype(dtype)) {
    throw new CheckpointError(CheckpointErrorCode.DtypeUnsupported, "Tensor cannot be merged", {
      fields: { tensor: name, dtype },
    });
  }
  const theta = await readTensor(base.file, base.header, name);
  const submitted = await readTensor(submission.file, submission.header, name);
  const stepped = outerStep({
    theta,
    pseudoGradient: pseudoGradient(theta, [submitted]),
    momentum: momentum === null ? null : await readTensor(momentum.file, momentum.header, name),
    learningRate: request.learningRate,
    momentumFactor: request.momentumFactor,
  });
  const weights = narrow(dtype, stepped.theta);
  const velocity = narrow("F32", stepped.momentum);
  if (firstNonFinite(dtype, weights) !== -1 || firstNonFinite("F32", velocity) !== -1) {
    throw new CheckpointError(CheckpointErrorCode.MergeNonFinite, "A merged value is NaN or infinite", {
      fields: { tensor: name, base: base.path, submission: submission.path },
    });
  }
  return { weights, momentum: velocity };
}
