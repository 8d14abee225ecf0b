import type { ModelConfig } from "@assay/evaluation/model/config";
import { batchAt } from "./batches.ts";
import { LossSession } from "./loss-session.ts";
import type { ModelTensors } from "./tensors.ts";

/** Mean loss of a whole model over evenly spread windows of a text, in nats per token. */
export async function textLoss(
  config: ModelConfig,
  model: ModelTensors,
  text: Uint8Array,
  { windows, sequence }: { readonly windows: number; readonly sequence: number },
): Promise<number> {
  const experts = [...Array(config.experts).keys()];
  await using session = await LossSession.create({ config, batch: windows, sequence, trainable: new Set(), experts });
  const stride = Math.floor((text.length - sequence - 1) / windows);
  const starts = Array.from({ length: windows }, (_, index) => index * stride);
  const { loss } = await session.run(model, batchAt(text, starts, sequence));
  return loss;
}
