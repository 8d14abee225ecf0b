import type { MeasuredLosses } from "@assay/core/scoring/outcome";
import type { Stage } from "@assay/core/scoring/sequential/stages";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Device } from "./devices/device.ts";

/** What is measured: one group's tensors put in place of the base model's. */
export interface EvaluationRequest {
  readonly base: {
    /** Absolute path of the version's folder; nothing of it changes while it is measured against. */
    readonly directory: string;
    readonly version: ModelVersion;
    /** Names what the folder holds: between rounds another version of this number can take its place. */
    readonly content?: string;
  };
  readonly group: ExpertGroup;
  readonly submission: {
    /** Absolute path of an inspected file, of which `sha256` is the digest. */
    readonly path: string;
    readonly sha256: Sha256Hex;
  };
  /** Hexadecimal; decides which held-out sequences are measured on. */
  readonly seed: string;
  /** Which of the seed's batches, in its order; all without it. */
  readonly stage?: Stage;
}

/** A submission's measure. A rejection is the miner's fault; whatever else goes wrong is thrown. */
export type Measurement =
  | (MeasuredLosses & { readonly kind: "measured" })
  | { readonly kind: "rejected"; readonly reason: "non_finite_loss"; readonly detail: string };

/** Measures submissions on a device, one at a time. */
export interface Evaluator extends Startable {
  /** @throws AppError for every failure of ours, a deadline among them; the signal's reason when aborted. */
  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Measurement>;
  /** A hint: this will be asked for next, so its file may be read while something else is measured. Never fails. */
  prepare?(request: EvaluationRequest): void;
}

export interface EvaluatorOptions {
  /** A base model that takes more as float32 is read from its files in every pass; 60 % of what is free without it. */
  readonly baseMemoryBytes?: number;
  /** A JSON-lines file for all groups, or a directory with `group-<g>.jsonl` for each. */
  readonly evalDatasetPath: string;
  /** Where the text's tokens are kept between processes; null for nowhere. */
  readonly tokenCacheDirectory: string | null;
  /** Sequences per batch. */
  readonly batchSize: number;
  /** Held-out sequences per measurement; the seed chooses which. */
  readonly sequences: number;
  /** Tokens per sequence. */
  readonly sequenceLength: number;
  /** Limit of one measurement, from its own start. */
  readonly timeoutMillis: number;
  /** Threads of one operator. Losses are equal to the last bit only for equal numbers; 1 is the number to use. */
  readonly threads: number;
  /** The CPU unless said otherwise. */
  readonly device?: Device;
  /** Resident memory at which a process that measures is killed; 0 or nothing for no limit. In-process it has none. */
  readonly memoryLimitMiB?: number;
}
