import { type FileHandle, open } from "node:fs/promises";
import type { RejectionReason } from "@assay/core/scoring/outcome";
import type { Sha256Hex } from "@assay/core/units";
import { sha256Handle } from "./digest.ts";
import { type TensorShape, tensorBytes } from "./safetensors/dtype.ts";
import { firstNonFinite } from "./safetensors/finite.ts";
import { limitsFor, readHeader, type SafetensorsHeader } from "./safetensors/header.ts";
import { quote } from "./safetensors/header-json.ts";
import { tensorChunks } from "./safetensors/read.ts";
import { tensorsFault } from "./tensors-fault.ts";

/** Why a submission's bytes are refused, in the order in which it is looked for. */
export type InspectionReason = Extract<
  RejectionReason,
  | "too_large"
  | "hash_mismatch"
  | "malformed"
  | "tensor_set_mismatch"
  | "shape_mismatch"
  | "dtype_mismatch"
  | "non_finite_weights"
>;

/** A rejection is the miner's fault; `detail` is safe to log. */
export type Inspection =
  | { readonly kind: "accepted"; readonly bytes: number; readonly sha256: Sha256Hex }
  | { readonly kind: "rejected"; readonly reason: InspectionReason; readonly detail: string };

export interface InspectionRequest {
  readonly path: string;
  /** The tensors of the miner's group in the base version; see `groupTensors` of the store. */
  readonly expected: ReadonlyMap<string, TensorShape>;
  /** What the miner committed on chain. */
  readonly expectedSha256: Sha256Hex;
  readonly signal?: AbortSignal;
}

/**
 * Judges a miner's file: size, hash, format, tensor set, shapes, dtypes, finite values. The first fault counts.
 *
 * Costs little before the hash is known to be the committed one, and never holds more than a header and 4 MiB. A file
 * that cannot be read is our failure and is thrown.
 */
export async function inspectSubmission(request: InspectionRequest): Promise<Inspection> {
  const file = await open(request.path, "r");
  try {
    return await inspectFile(file, request);
  } finally {
    await file.close();
  }
}

/** Size above which a file cannot be a submission of these tensors, however its header is spelt. */
export function largestSubmission(expected: ReadonlyMap<string, TensorShape>): number {
  return 8 + limitsFor(expected).maxHeaderBytes + valueBytes(expected);
}

/** Size below which a file cannot be a submission of these tensors: their values and the shortest header. */
export function smallestSubmission(expected: ReadonlyMap<string, TensorShape>): number {
  return 8 + 2 + valueBytes(expected);
}

function valueBytes(expected: ReadonlyMap<string, TensorShape>): number {
  return [...expected.values()].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

async function inspectFile(file: FileHandle, request: InspectionRequest): Promise<Inspection> {
  const { expected, expectedSha256, signal } = request;
  const { size } = await file.stat();
  const limit = largestSubmission(expected);
  if (size > limit) return rejected("too_large", `${size} bytes, at most ${limit} are possible`);
  const { sha256, bytes } = await sha256Handle(file, signal);
  if (sha256 !== expectedSha256) return rejected("hash_mismatch", `committed ${expectedSha256}, got ${sha256}`);
  const parsed = await readHeader(file, limitsFor(expected));
  if (parsed.kind === "rejected") return rejected("malformed", parsed.detail);
  const fault = tensorsFault(parsed.header.tensors, expected);
  if (fault !== null) return { kind: "rejected", ...fault };
  return (await valueFault(file, parsed.header, signal)) ?? { kind: "accepted", bytes, sha256 };
}

async function valueFault(
  file: FileHandle,
  header: SafetensorsHeader,
  signal: AbortSignal | undefined,
): Promise<Inspection | null> {
  for (const [name, entry] of header.tensors) {
    for await (const chunk of tensorChunks(file, header, entry)) {
      signal?.throwIfAborted();
      if (firstNonFinite(entry.dtype, chunk) !== -1) {
        return rejected("non_finite_weights", `tensor ${quote(name)} holds a value that is NaN or infinite`);
      }
    }
  }
  return null;
}

function rejected(reason: InspectionReason, detail: string): Inspection {
  return { kind: "rejected", reason, detail };
}
