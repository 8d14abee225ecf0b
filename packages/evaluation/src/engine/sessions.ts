import { CPU, type Device, deviceName } from "../devices/device.ts";
import { sessionOptions } from "../devices/session-options.ts";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { attentionGraph } from "../model/attention-graph.ts";
import type { ModelConfig } from "../model/config.ts";
import { denseGraph } from "../model/dense-graph.ts";
import type { AttentionKind, LayerDescription } from "../model/description.ts";
import { expertGroupGraph } from "../model/expert-group-graph.ts";
import type { ExpertTensorLayout } from "../model/expert-layout.ts";
import { headGraph } from "../model/head-graph.ts";
import { layerGraph } from "../model/layer-graph.ts";
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
type Outputs = Partial<Record<string, Tensor>>;

/** Which experts each token chose, and their weights. */
export interface Routing {
  readonly chosen: Tensor;
  readonly shares: Tensor;
}

/** A layer up to its feed-forward part. */
export interface Attended {
  readonly residual: Tensor;
  /** Input of the feed-forward part. */
  readonly normed: Tensor;
  /** Null in a dense layer. */
  readonly routing: Routing | null;
}

/** The graphs of one model shape, each made when it is first needed. Holds no weights. */
export class ModelSessions {
  readonly config: ModelConfig;
  readonly layout: ExpertTensorLayout;
  readonly #options: SessionOptions;
  readonly #sessions = new Map<string, Promise<InferenceSession>>();

  constructor(config: ModelConfig, layout: ExpertTensorLayout, options: SessionOptions) {
    this.config = config;
    this.layout = layout;
    this.#options = options;
  }

  /** Whether these sessions serve another version as well. */
  fits(config: ModelConfig, layout: ExpertTensorLayout): boolean {
    return this.layout === layout && JSON.stringify(this.config) === JSON.stringify(config);
  }

  async attention(kind: AttentionKind, feeds: Feeds): Promise<Attended> {
    const graph = () => attentionGraph(this.config, { ...kind, positions: this.#options.sequenceLength });
    const outputs = await this.#run(`attention ${JSON.stringify(kind)}`, graph, feeds);
    const [residual, normed] = [output(outputs, "residual"), output(outputs, "normed")];
    if (!kind.routed) return { residual, normed, routing: null };
    return { residual, normed, routing: { chosen: output(outputs, "chosen"), shares: output(outputs, "shares") } };
  }

  /** A whole layer, with all its experts. */
  async layer({ kind, denseIntermediateSize }: LayerDescription, feeds: Feeds): Promise<Tensor> {
    const options = { ...kind, denseIntermediateSize, layout: this.layout, positions: this.#options.sequenceLength };
    const key = `layer ${JSON.stringify(kind)} ${denseIntermediateSize}`;
    return output(await this.#run(key, () => layerGraph(this.config, options), feeds), "y");
  }

  /** `sum` plus a feed-forward network of its own or the shared experts. */
  async dense(intermediateSize: number, feeds: Feeds): Promise<Tensor> {
    const graph = () => denseGraph(this.config, intermediateSize);
    return output(await this.#run(`dense ${intermediateSize}`, graph, feeds), "y");
  }

  /** @param slots number of experts that the feeds give. */
  async experts(slots: number, feeds: Feeds): Promise<Tensor> {
    const graph = () => expertGroupGraph(this.config, slots, this.layout);
    return output(await this.#run(`experts ${slots}`, graph, feeds), "y");
  }

  async head(feeds: Feeds): Promise<Tensor> {
    return output(await this.#run("head", () => headGraph(this.config), feeds), "losses");
  }

  async release(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) await (await session).release();
  }

  async #run(key: string, graph: () => Graph, feeds: Feeds): Promise<Outputs> {
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = createSession(graph(), this.#options.threads, this.#options.device);
      this.#sessions.set(key, session);
    }
    const created = await session;
    return await native("run", () => created.run(feeds));
  }
}

/**
 * A session on this device and no other. What a GPU has no kernel for runs on the CPU (see ADR 0019).
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

function output(outputs: Outputs, name: string): Tensor {
  const tensor = outputs[name];
  if (tensor === undefined) throw new Error(`The graph has no output ${name}`);
  return tensor;
}
