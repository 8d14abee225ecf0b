import type { ExpertGroup, ModelVersion, NatsPerToken, Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { EvaluationErrorCode } from "../evaluation-error.ts";

/** Names the protocol and its version; a backend says it in its first line. */
export const PROTOCOL = "assay-losses/1";

/** The backend's first line. */
export interface Hello {
  readonly protocol: typeof PROTOCOL;
  readonly name: string;
  readonly device: string;
  readonly band: NatsPerToken;
}

/** One line to the backend: losses of some batches. */
export interface LossesLine {
  readonly id: number;
  readonly model: { readonly directory: string; readonly version: ModelVersion; readonly manifest: string };
  readonly group: ExpertGroup;
  readonly submission: { readonly path: string; readonly sha256: Sha256Hex } | null;
  readonly batches: {
    readonly path: string;
    /** Rows of each batch. */
    readonly sequences: readonly number[];
    readonly sequence_length: number;
  };
}

/** One line to the parent: the losses, or why there are none. */
export type Reply =
  | { readonly id: number; readonly losses: readonly (number | null)[] }
  | { readonly id: number; readonly error: BackendFailure };

export interface BackendFailure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** What a version consists of; the schema below says what each field means. */
export interface Manifest {
  readonly config: unknown;
  readonly files: readonly string[];
  readonly shared: Tensors<Place>;
  readonly experts: Readonly<Record<string, readonly Tensors<Place>[]>>;
  readonly groups: readonly {
    readonly group: ExpertGroup;
    readonly experts: Readonly<Record<string, readonly number[]>>;
    readonly tensors: Tensors<Shape>;
  }[];
}

type Tensors<Of> = Readonly<Record<string, Of>>;

interface Shape {
  readonly dtype: string;
  readonly shape: readonly number[];
}

interface Place extends Shape {
  readonly file: number;
  readonly offset: number;
}

export const helloSchema: z.ZodType<Hello> = z.object({
  protocol: z.literal(PROTOCOL),
  name: z.string().min(1).max(200).describe("Shown in logs: the program and its version"),
  device: z.string().min(1).max(100).describe("Where it computes. Told a device, it must say the same or end"),
  band: z
    .number()
    .positive()
    .describe(
      "Largest difference of a mean loss, in nats per token, from that of another machine, device or batch size",
    ),
});

export const requestSchema: z.ZodType<LossesLine> = z.object({
  id: z.int().positive().describe("The reply repeats it"),
  model: z.object({
    directory: z.string().describe("Absolute path of the version's folder, whose content never changes"),
    version: z.int().nonnegative(),
    manifest: z
      .string()
      .describe("Absolute path of a JSON file that says what the folder holds; equal paths have equal content"),
  }),
  group: z.int().nonnegative().describe("Expert group of the submission"),
  submission: z
    .object({
      path: z.string().describe("Absolute path of a safetensors file with exactly the group's tensors"),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .describe("Of the whole file"),
    })
    .nullable()
    .describe("Null for the model as it is"),
  batches: z.object({
    path: z
      .string()
      .describe(
        "Absolute path of a safetensors file with one tensor `tokens`, I32[sequences, sequence_length + 1]: position i + 1 is the target of position i. Equal paths have equal content",
      ),
    sequences: z.array(z.int().positive()).min(1).describe("Rows of each batch, in the order of the tensor's rows"),
    sequence_length: z.int().positive(),
  }),
});

export const replySchema: z.ZodType<Reply> = z.union([
  z.object({
    id: z.int().positive(),
    losses: z
      .array(z.number().nullable())
      .describe("For each batch the sum of its tokens' cross-entropies in nats; null if that is not finite"),
  }),
  z.object({
    id: z.int().positive(),
    error: z.object({
      code: z.string().min(1).max(100).describe("One of the codes below, or the backend's own"),
      message: z.string().max(2_000),
      retryable: z.boolean().describe("Whether the same request may succeed later with nothing changed by a person"),
    }),
  }),
]);

const tensorSchema = z.object({ dtype: z.string(), shape: z.array(z.int().positive()) });

const placeSchema = tensorSchema.extend({
  file: z.int().nonnegative().describe("Index into `files`"),
  offset: z.int().nonnegative().describe("First byte in that file; little-endian values, row-major, follow"),
});

const manifestSchema: z.ZodType<Manifest> = z.object({
  config: z.unknown().describe("The model's `config.json`"),
  files: z.array(z.string()).describe("Absolute paths"),
  shared: z.record(z.string(), placeSchema).describe("Every tensor that is no routed expert's, by name"),
  experts: z
    .record(z.string(), z.array(z.record(z.string(), placeSchema)))
    .describe(
      "By layer, then by the expert's index: its tensors by name. Of a tensor that stacks experts the expert's own block, without the first dimension",
    ),
  groups: z.array(
    z.object({
      group: z.int().nonnegative(),
      experts: z
        .record(z.string(), z.array(z.int().nonnegative()))
        .describe("By layer: the group's experts. A submission's tensor that stacks experts holds them in this order"),
      tensors: z.record(z.string(), tensorSchema).describe("Exactly the tensors of a submission"),
    }),
  ),
});

/** Largest line of a reply. A number takes at most 25 bytes. */
export const MAX_LINE_BYTES: number = 1024 * 1024;

/** Codes that a backend may use as its own; whatever else it says stays in the facts of our error. */
export const SHARED_CODES: readonly EvaluationErrorCode[] = [
  EvaluationErrorCode.ModelUnsupported,
  EvaluationErrorCode.ModelInvalid,
  EvaluationErrorCode.SubmissionChanged,
  EvaluationErrorCode.GroupUnknown,
  EvaluationErrorCode.EngineFailed,
  EvaluationErrorCode.DeviceUnavailable,
];

/** What goes over the pipe, as JSON Schema and by the name of its section in the reference. */
export function protocolSchemas(): ReadonlyMap<string, unknown> {
  const schemas = { Hello: helloSchema, Request: requestSchema, Reply: replySchema, Manifest: manifestSchema };
  return new Map(Object.entries(schemas).map(([name, schema]) => [name, z.toJSONSchema(schema, { io: "input" })]));
}
