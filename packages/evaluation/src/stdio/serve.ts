import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { isAppError } from "@assay/core/app-error";
import { reportAllocations } from "../child/failed-allocation.ts";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { LossBackend, LossRequest } from "../loss-backend.ts";
import { batchesOf, readTokens } from "./batch-file.ts";
import { type Hello, type LossesLine, PROTOCOL, type Reply, requestSchema } from "./protocol.ts";

export interface ServeOptions {
  /** Program and version. */
  readonly name: string;
  readonly device: string;
  readonly input: Readable;
  readonly output: Writable;
}

/** Answers requests for losses one after the other until the input ends, then frees the backend. */
export async function serveLosses(backend: LossBackend, { name, device, input, output }: ServeOptions): Promise<void> {
  const say = (line: Hello | Reply) => output.write(`${JSON.stringify(line)}\n`);
  say({ protocol: PROTOCOL, name, device, band: backend.band });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    say(await answer(backend, requestSchema.parse(JSON.parse(line))));
  }
  await backend.release();
}

const NEVER = new AbortController().signal;

async function answer(backend: LossBackend, line: LossesLine): Promise<Reply> {
  try {
    const losses = await reportAllocations(backend.losses(await lossRequest(line), NEVER));
    return { id: line.id, losses: losses.map((loss) => (Number.isFinite(loss) ? loss : null)) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { code, message, retryable } = error;
    return { id: line.id, error: { code, message, retryable } };
  }
}

async function lossRequest({ model, group, submission, batches }: LossesLine): Promise<LossRequest> {
  const { path, sequences, sequence_length: sequenceLength } = batches;
  const rows = await readTokens(path, { sequences, sequenceLength }).catch((cause: unknown) => {
    if (isAppError(cause)) throw cause;
    throw new EvaluationError(EvaluationErrorCode.BackendProtocol, "Batches cannot be read", { cause });
  });
  return {
    base: { directory: model.directory, version: model.version, content: model.manifest },
    group,
    submission,
    batches: { key: `${path} ${sequences.join()}`, batches: batchesOf(rows) },
  };
}
