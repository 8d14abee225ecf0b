import { CPU, type Device, deviceName } from "../devices/device.ts";
import { sessionOptions } from "../devices/session-options.ts";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { attentionGraph } from "../model/attention-graph.ts";
import type { ModelConfig } from "../model/config.ts";
import { expertGroupGraph } from "../model/expert-group-graph.ts";
import { headGraph } from "../model/head-graph.ts";
import type { Graph } from "../onnx/graph.ts";
import { InferenceSession, type Tensor } from "../onnx/runtime.ts";

export interface SessionOptions {
  /** Longest sequence that will be run. */
  readonly sequenceLength: number;
  readonly threads: number;
  /** The CPU unless said otherwise. */
  readonly device?: Device;
}

type Feeds = Readonly<Record<string, Tensor>>;

/** The graphs of one model shape, ready to run. Holds no weights. */
export class ModelSessions {
  readonly config: ModelConfig;
  readonly #options: SessionOptions;
  readonly #attention: InferenceSession;
  readonly #head: InferenceSession;
  /** By number of experts. */
  readonly #expertGroups = new Map<number, InferenceSession>();

  private constructor(
    config: ModelConfig,
    options: SessionOptions,
    sessions: { readonly attention: InferenceSession; readonly head: InferenceSession },
  ) {
    this.config = config;
    this.#options = options;
    this.#attention = sessions.attention;
    this.#head = sessions.head;
  }

  /** Takes tens of milliseconds, whatever the model's size and depth. */
  static async create(config: ModelConfig, options: SessionOptions): Promise<ModelSessions> {
    return new ModelSessions(config, options, {
      attention: await createSession(attentionGraph(config, options.sequenceLength), options.threads, options.device),
      head: await createSession(headGraph(config), options.threads, options.device),
    });
  }

  async attention(feeds: Feeds): Promise<Readonly<Record<"residual" | "normed" | "chosen" | "shares", Tensor>>> {
    const { residual, normed, chosen, shares } = await run(this.#attention, feeds);
    return present({ residual, normed, chosen, shares });
  }

  /** @param slots number of experts that the feeds give. */
  async expertGroup(slots: number, feeds: Feeds): Promise<Tensor> {
    let session = this.#expertGroups.get(slots);
    if (session === undefined) {
      const { threads, device } = this.#options;
      session = await createSession(expertGroupGraph(this.config, slots), threads, device);
      this.#expertGroups.set(slots, session);
    }
    const { y } = await run(session, feeds);
    return present({ y }).y;
  }

  async head(feeds: Feeds): Promise<Tensor> {
    const { losses } = await run(this.#head, feeds);
    return present({ losses }).losses;
  }

  async release(): Promise<void> {
    await Promise.all([this.#attention, this.#head, ...this.#expertGroups.values()].map((each) => each.release()));
  }
}

/**
 * A session on this device and no other. What a GPU has no kernel for (sizes and indices, mostly) runs on the CPU.
 *
 * @throws EvaluationError `EVALUATION_DEVICE_UNAVAILABLE` if a GPU gives none, `EVALUATION_ENGINE_FAILED` if the CPU does.
 */
export async function createSession(graph: Graph, threads: number, device: Device = CPU): Promise<InferenceSession> {
  const create = () => InferenceSession.create(graph.model(), sessionOptions(device, threads));
  if (device.kind === "cpu") return await native("create", create);
  try {
    return await create();
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.DeviceUnavailable, "The device gives no session", {
      retryable: true,
      fields: { device: deviceName(device), why: cause instanceof Error ? cause.message : String(cause) },
      cause,
    });
  }
}

async function run(session: InferenceSession, feeds: Feeds): Promise<Partial<Record<string, Tensor>>> {
  return await native("run", () => session.run(feeds));
}

/** The native runtime throws plain errors: a failed allocation, a shape that does not fit. */
async function native<T>(step: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.EngineFailed, "The native runtime failed", {
      retryable: true,
      fields: { step, reason: cause instanceof Error ? cause.message : String(cause) },
      cause,
    });
  }
}

function present<Name extends string>(outputs: Record<Name, Tensor | undefined>): Record<Name, Tensor> {
  for (const [name, tensor] of Object.entries(outputs)) {
    if (tensor === undefined) throw new Error(`The graph has no output ${name}`);
  }
  return outputs as Record<Name, Tensor>;
}
