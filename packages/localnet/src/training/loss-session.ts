import { InferenceSession, Tensor } from "@assay/evaluation/onnx/runtime";
import type { TokenBatch } from "./batches.ts";
import { buildLossGraph, gradientName, type LossGraphOptions } from "./language-model.ts";
import type { ModelTensors } from "./tensors.ts";

export interface LossAndGradients {
  /** Nats per token. */
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Computes the loss of a model, and its gradients by the trainable tensors, on one thread. */
export class LossSession implements AsyncDisposable {
  private readonly session: InferenceSession;
  private readonly tensors: readonly string[];
  private readonly trainable: readonly string[];

  private constructor(session: InferenceSession, tensors: readonly string[], trainable: readonly string[]) {
    this.session = session;
    this.tensors = tensors;
    this.trainable = trainable;
  }

  static async create(options: LossGraphOptions): Promise<LossSession> {
    const { model, tensors } = buildLossGraph(options);
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: { session: { disable_prepacking: "1" } },
    });
    return new LossSession(session, tensors, [...options.trainable]);
  }

  async run(model: ModelTensors, { ids, labels }: TokenBatch): Promise<LossAndGradients> {
    const feeds: Record<string, Tensor> = {
      ids: new Tensor("int64", ids, [ids.length]),
      labels: new Tensor("int64", labels, [labels.length]),
    };
    for (const name of this.tensors) {
      const tensor = model.get(name);
      if (tensor === undefined) throw new RangeError(`The model has no tensor ${name}`);
      feeds[name] = new Tensor("float32", tensor.values, tensor.shape);
    }
    const { loss, ...outputs } = await this.session.run(feeds);
    const gradients = this.trainable.map((name) => [name, floats(outputs[gradientName(name)])] as const);
    return { loss: floats(loss)[0] ?? Number.NaN, gradients: new Map(gradients) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.release();
  }
}

function floats(tensor: Tensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError("The session gave no float32 tensor");
  return tensor.data;
}
